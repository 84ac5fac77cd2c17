/** Settings that were chosen for a chat before its first message. */
import type { ChatSettings } from "../../../src/serve/wire.ts";

const KEY = "shoal.fresh";

export function loadFresh(): ChatSettings | null {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return typeof stored === "object" && !Array.isArray(stored) ? (stored as ChatSettings | null) : null;
  } catch {
    return null;
  }
}

export function saveFresh(settings: ChatSettings | null): void {
  try {
    if (settings) localStorage.setItem(KEY, JSON.stringify(settings));
    else localStorage.removeItem(KEY);
  } catch {
    // A full store is no reason to hold up the chat.
  }
}
