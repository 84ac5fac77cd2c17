/** The list of conversations beside the chat, newest first, or what a search found. */
import type { Conversation, ConversationSummary } from "../../../src/serve/wire.ts";
import { t } from "../i18n/index.svelte.ts";
import { api } from "../lib/api.ts";
import { attempt, report } from "./app.svelte.ts";
import { route } from "./route.svelte.ts";
import { toasts } from "./toasts.svelte.ts";

const PAGE = 50;
const SEARCH_DELAY_MS = 180;

class Conversations {
  list = $state.raw<ConversationSummary[]>([]);
  more = $state(false);
  query = $state("");
  /** Null: no search is on. */
  found = $state.raw<ConversationSummary[] | null>(null);
  private timer = 0;
  private searching: AbortController | null = null;

  async load(): Promise<void> {
    const page = await attempt(() => api.conversations({ limit: Math.max(PAGE, this.list.length) }));
    if (page) [this.list, this.more] = [page.conversations, page.more];
  }

  async loadMore(): Promise<void> {
    const page = await attempt(() => api.conversations({ limit: PAGE, before: this.list.at(-1)?.updatedAt }));
    if (!page) return;
    const known = new Set(this.list.map(({ id }) => id));
    this.list = [...this.list, ...page.conversations.filter(({ id }) => !known.has(id))];
    this.more = page.more;
  }

  search(query: string): void {
    this.query = query;
    clearTimeout(this.timer);
    this.searching?.abort();
    if (query.trim() === "") {
      this.found = null;
      return;
    }
    this.timer = window.setTimeout(async () => {
      this.searching = new AbortController();
      const { signal } = this.searching;
      const page = await api.conversations({ q: query.trim(), limit: PAGE }, signal).catch((error: unknown) => {
        if (!signal.aborted) report(error);
        return null;
      });
      if (page && !signal.aborted) this.found = page.conversations;
    }, SEARCH_DELAY_MS);
  }

  /** A conversation is new, or has changed: it stands where its time puts it. */
  put({ id, title, updatedAt }: Conversation): void {
    const others = this.list.filter((one) => one.id !== id);
    const place = others.findIndex((one) => one.updatedAt <= updatedAt);
    const at = place < 0 ? others.length : place;
    this.list = [...others.slice(0, at), { id, title, updatedAt }, ...others.slice(at)];
  }

  setTitle(id: string, title: string): void {
    const renamed = (list: ConversationSummary[]) => list.map((one) => (one.id === id ? { ...one, title } : one));
    this.list = renamed(this.list);
    if (this.found) this.found = renamed(this.found);
  }

  async rename(id: string, title: string): Promise<void> {
    const changed = await attempt(() => api.change(id, { title }));
    if (changed) this.setTitle(id, changed.title);
  }

  async remove(id: string): Promise<void> {
    const done = await attempt(() => api.remove(id));
    if (!done) return;
    const title = this.list.find((one) => one.id === id)?.title ?? "";
    this.list = this.list.filter((one) => one.id !== id);
    this.found = this.found?.filter((one) => one.id !== id) ?? null;
    const wasOpen = route.conversation === id;
    if (wasOpen) route.go(null);
    const undo = async (): Promise<void> => {
      const back = await attempt(() => api.restore(id));
      if (!back) return;
      this.put(back);
      if (wasOpen) route.go(id);
    };
    const seconds = Math.min(12, Math.max(3, (done.restoreUntil - Date.now()) / 1000));
    toasts.show(t().deleted(title || t().untitled), { action: { label: t().undo, run: () => void undo() }, seconds });
  }
}

export const conversations = new Conversations();
