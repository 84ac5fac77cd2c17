/** What was being written in each conversation, so that leaving it loses nothing. */
import type { Attachment } from "../../../src/serve/wire.ts";

export interface Draft {
  text: string;
  attachments: Attachment[];
}

const PREFIX = "shoal.draft.";
/** Larger drafts are kept while the page is open and no longer. */
const MOST_STORED = 200_000;
const kept = new Map<string, Draft>();

const keyOf = (conversation: string | null): string => PREFIX + (conversation ?? "new");

export function loadDraft(conversation: string | null): Draft {
  const key = keyOf(conversation);
  const known = kept.get(key);
  if (known) return known;
  try {
    const { text, attachments } = JSON.parse(localStorage.getItem(key) ?? "") as Draft;
    return { text: String(text), attachments: Array.isArray(attachments) ? attachments : [] };
  } catch {
    return { text: "", attachments: [] };
  }
}

export function saveDraft(conversation: string | null, draft: Draft): void {
  const key = keyOf(conversation);
  const empty = draft.text === "" && draft.attachments.length === 0;
  if (empty) kept.delete(key);
  else kept.set(key, draft);
  const stored = empty ? "" : JSON.stringify(draft);
  try {
    if (stored && stored.length < MOST_STORED) localStorage.setItem(key, stored);
    else localStorage.removeItem(key);
  } catch {
    // A full store is no reason to hold up the writer.
  }
}
