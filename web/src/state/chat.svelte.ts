/** The conversation on show: its tree of messages, the branch that is read, and everything that can be done to it. */
import type { Attachment, ChatSettings, Conversation, Message } from "../../../src/serve/wire.ts";
import { t } from "../i18n/index.svelte.ts";
import { api, RequestFailed } from "../lib/api.ts";
import { branchTo, childrenOf, isComparison, newestLeaf } from "../lib/tree.ts";
import { app, attempt, report } from "./app.svelte.ts";
import { conversations } from "./conversations.svelte.ts";
import { loadFresh, saveFresh } from "./fresh.ts";
import { isRunning, LiveMessage } from "./live-message.svelte.ts";
import { route } from "./route.svelte.ts";
import { toasts } from "./toasts.svelte.ts";

class Chat {
  conversation = $state.raw<Conversation | null>(null);
  /** In order of creation. */
  nodes = $state.raw<LiveMessage[]>([]);
  leafId = $state<string | null>(null);
  loading = $state(false);
  missing = $state(false);
  sending = $state(false);
  /** A second model that answers beside the first; null: none. It may be the same model. */
  compareWith = $state<string | null>(null);
  /** Settings of a conversation that does not exist yet, where they were chosen; they outlive the page. */
  private fresh = $state.raw<ChatSettings | null>(loadFresh());
  /** Forks that are shown in columns, or (false) no longer are, by the parent's id. */
  private columns = $state<Record<string, boolean>>({});

  settings = $derived(this.conversation?.settings ?? this.fresh ?? app.info?.defaults ?? {});
  /** The model that answers. A new chat takes the server's own where the one that it should begin with is not there. */
  model = $derived.by(() => {
    const { model } = this.settings;
    const there = model !== undefined && (this.conversation !== null || app.model(model) !== null);
    return there ? model : (app.info?.defaultModel ?? "");
  });
  private byId = $derived(new Map(this.nodes.map((node) => [node.id, node])));
  private children = $derived(childrenOf(this.nodes));
  branch = $derived(branchTo(this.byId, this.leafId));
  busy = $derived(this.nodes.some((node) => node.running));
  last = $derived(this.branch.at(-1) ?? null);
  /** Dollars of all replies, as far as they are known. */
  cost = $derived(this.nodes.reduce((sum, node) => sum + (node.message.costUsd ?? 0), 0));

  siblings(node: LiveMessage): LiveMessage[] {
    return this.children.get(node.parentId) ?? [node];
  }

  /** Whether a message and its siblings stand side by side. */
  inColumns(node: LiveMessage): boolean {
    const siblings = this.siblings(node);
    return this.columns[node.parentId ?? ""] ?? isComparison(siblings, this.children);
  }

  showColumns(node: LiveMessage, show: boolean): void {
    this.columns[node.parentId ?? ""] = show;
  }

  async open(id: string | null): Promise<void> {
    if (id !== null && id === this.conversation?.id) return;
    this.clear();
    if (id === null) return;
    this.loading = true;
    try {
      const tree = await api.tree(id);
      if (route.conversation !== id) return;
      this.conversation = tree.conversation;
      this.nodes = tree.messages.map((message) => new LiveMessage(message));
      this.leafId = tree.conversation.leafId ?? this.nodes.at(-1)?.id ?? null;
      for (const node of this.nodes) this.watch(node);
      conversations.put(tree.conversation);
    } catch (error) {
      if (route.conversation !== id) return;
      this.missing = true;
      report(error);
    } finally {
      if (route.conversation === id) this.loading = false;
    }
  }

  /** Takes in what has happened elsewhere: in another window, or on another device. */
  async refresh(): Promise<void> {
    const id = this.conversation?.id;
    if (id === undefined || this.sending) return;
    const tree = await api.tree(id).catch(() => null);
    if (!tree || this.conversation?.id !== id || this.sending) return;
    this.conversation = tree.conversation;
    for (const message of tree.messages) {
      const known = this.byId.get(message.id);
      if (known && !known.running) known.message = message;
      if (known) this.watch(known);
    }
    this.add(tree.messages.filter((message) => !this.byId.has(message.id)));
    // Whoever stood at the end of a branch that went on goes along.
    const { leafId } = tree.conversation;
    if (branchTo(this.byId, leafId).some((node) => node.id === this.leafId)) this.leafId = leafId;
  }

  private clear(): void {
    for (const node of this.nodes) node.leave();
    this.conversation = null;
    this.nodes = [];
    this.leafId = null;
    this.columns = {};
    this.loading = false;
    this.missing = false;
  }

  private watch(node: LiveMessage): void {
    node.watch({
      title: (title) => this.setTitle(title),
      done: (message) => void this.ended(message),
      refused: report,
    });
  }

  private setTitle(title: string): void {
    if (!this.conversation) return;
    this.conversation = { ...this.conversation, title };
    conversations.setTitle(this.conversation.id, title);
  }

  /** A title that was made before anybody watched is in the list. */
  private async ended(message: Message): Promise<void> {
    this.touch(message);
    await conversations.load();
    const title = conversations.list.find((one) => one.id === message.conversationId)?.title;
    if (title && this.conversation?.id === message.conversationId) this.setTitle(title);
  }

  private touch(message: Message): void {
    if (this.conversation?.id !== message.conversationId) return;
    this.conversation = { ...this.conversation, updatedAt: Math.max(Date.now(), this.conversation.updatedAt) };
    conversations.put(this.conversation);
  }

  private add(messages: Message[]): void {
    const added = messages.map((message) => new LiveMessage(message));
    this.nodes = [...this.nodes, ...added];
    for (const node of added) this.watch(node);
  }

  /** @returns whether it was taken */
  async send(
    content: string,
    options: { parentId?: string | null; attachments?: Attachment[]; models?: string[] } = {},
  ): Promise<boolean> {
    if (this.sending) return false;
    this.sending = true;
    const { models = [this.model], attachments } = options;
    const sent = await attempt(async () => {
      if (!(await this.areThere(models))) return null;
      const parentId = options.parentId === undefined ? this.leafId : options.parentId;
      const conversation = this.conversation ?? (await api.create({ settings: this.settings }));
      const answer = await api
        .send(conversation.id, { parentId, content, attachments, models })
        .catch(async (error: unknown) => {
          // Nothing empty is left behind.
          if (this.conversation === null) await api.remove(conversation.id).catch(() => null);
          if (error instanceof RequestFailed && error.code === "model_not_found") await app.load();
          if (await this.areThere(models)) throw error;
          return null;
        });
      if (answer === null) return null;
      if (this.conversation === null) {
        this.setFresh(null);
        this.conversation = conversation;
        route.go(conversation.id, { replace: true });
      }
      // The reader may have gone elsewhere meanwhile; the server has it all the same.
      if (this.conversation.id !== conversation.id) return true;
      this.add([answer.message, ...answer.replies]);
      this.leafId = (answer.replies[0] ?? answer.message).id;
      this.touch(answer.message);
      return true;
    });
    this.sending = false;
    return sent !== null;
  }

  /** Whether the models can be asked now; if not, says so. */
  private async areThere(models: readonly string[]): Promise<boolean> {
    const missing = (): string | undefined => models.find((id) => app.model(id) === null);
    if (missing() !== undefined) await app.load();
    const gone = missing();
    if (gone !== undefined) toasts.show(t().modelGone(gone), { bad: true });
    return gone === undefined;
  }

  private setFresh(settings: ChatSettings | null): void {
    this.fresh = settings;
    saveFresh(settings);
  }

  async regenerate(node: LiveMessage, model?: string): Promise<void> {
    const message = await attempt(() => api.regenerate(node.id, model ? { model } : {}));
    if (!message) return;
    this.columns[node.parentId ?? ""] = false;
    this.add([message]);
    this.leafId = message.id;
  }

  async goOn(node: LiveMessage): Promise<void> {
    const message = await attempt(() => api.continue(node.id));
    if (!message) return;
    if (message.id === node.id) {
      node.message = message;
      this.watch(node);
    } else {
      this.add([message]);
      this.leafId = message.id;
    }
  }

  async stop(): Promise<void> {
    const running = this.nodes.filter((node) => node.running);
    await Promise.all(
      running.map((node) => attempt(() => api.stop(node.id)).then((message) => this.stopped(node, message))),
    );
  }

  /** Where nobody watches (the connection is lost), the server's answer is all there is. */
  private stopped(node: LiveMessage, message: Message | null): void {
    if (message && !isRunning(message) && node.retryAt !== null) {
      node.leave();
      node.message = message;
    }
  }

  /** Turns to a message's branch. */
  select(id: string): void {
    const leaf = newestLeaf(this.children, id);
    if (leaf === this.leafId) return;
    this.leafId = leaf;
    const conversation = this.conversation;
    if (conversation) void api.change(conversation.id, { leafId: leaf }).catch(report);
  }

  /** Turns to the branch that holds a message, if it is not on show already. */
  reveal(id: string): void {
    if (!this.branch.some((node) => node.id === id) && this.byId.has(id)) this.select(id);
  }

  /** Goes on from one of several answers. */
  choose(node: LiveMessage): void {
    this.showColumns(node, false);
    this.select(node.id);
  }

  async fork(node: LiveMessage): Promise<void> {
    const conversation = this.conversation;
    const copy = conversation && (await attempt(() => api.fork(conversation.id, node.id)));
    if (!copy) return;
    conversations.put(copy);
    route.go(copy.id);
  }

  async change(settings: ChatSettings): Promise<void> {
    const conversation = this.conversation;
    if (!conversation) {
      this.setFresh(settings);
      return;
    }
    this.conversation = { ...conversation, settings };
    await attempt(() => api.change(conversation.id, { settings }));
  }
}

export const chat = new Chat();
