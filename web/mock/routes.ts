/** The API of src/serve/wire.ts over a store in memory. */
import { type Context, Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { Count, Draft, Export, Imported, Info, NewMessage, ReplyEvent } from "../../src/serve/wire.ts";
import { MODELS, pieces, tokensOf } from "./model.ts";
import type { Replies } from "./replies.ts";
import type { Store } from "./store.ts";

const UNDO_MS = 30_000;

const INFO: Info = {
  version: "0.1.0",
  models: MODELS,
  defaultModel: "minnow",
  upstreams: [],
  welcome: {
    model: "minnow",
    lines: [
      "Minnow is a very small DeepSeek-V3 that Shoal trained from scratch on two CPU cores.",
      "It writes simple English and takes turns.",
      "It knows little, cannot be relied on for facts or sums, and makes things up.",
    ],
    card: true,
    examples: [
      "Tell me a story about a small fish.",
      "How do I compute a variance?",
      "What is a tide?",
      "Write a haiku about the sea.",
    ],
  },
  defaults: {},
  needsKey: false,
  admitted: true,
};

const CARD =
  "# Minnow\n\nA very small DeepSeek-V3,\ntrained on two cores. [Its recipe](../recipes/minnow.json)\n\n| layers | 6 |\n|---|---|\n| experts | 16 |\n\n<script>pwned()</script> ![x](https://evil.example/a.png)\n";

const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);

export const fail = (c: Context, status: 400 | 401 | 404, message: string, code: string | null = null): Response =>
  c.json({ error: { message, type: "invalid_request_error", param: null, code } }, status);

/** All routes of the API; with a key, all but /api/info ask for it. */
export function apiRoutes(store: Store, replies: Replies, key: string | null): Hono {
  const app = new Hono();
  addInfo(app, store, key);
  addConversations(app, store);
  addMessages(app, store, replies);
  addSettings(app, store);
  addExports(app, store);
  return app;
}

function addInfo(app: Hono, store: Store, key: string | null): void {
  app.get("/api/info", (c) => {
    const known = key === null || c.req.header("authorization") === `Bearer ${key}`;
    return c.json({
      ...INFO,
      ...store.info,
      defaults: store.defaults,
      models: known ? (store.info.models ?? INFO.models) : [],
      needsKey: key !== null,
      admitted: known,
    });
  });
  app.use("/api/*", async (c, next) => {
    if (key !== null && c.req.header("authorization") !== `Bearer ${key}`)
      return fail(c, 401, "This server needs an API key.");
    await next();
  });
}

function addConversations(app: Hono, store: Store): void {
  const conversation = (c: Context) => store.conversations.get(c.req.param("id")!);
  app.get("/api/conversations", (c) => {
    const { limit = "50", before, q = "" } = c.req.query();
    const all = store.list(q).filter((one) => !before || one.updatedAt < Number(before));
    return c.json({ conversations: all.slice(0, Number(limit)), more: all.length > Number(limit) });
  });
  app.post("/api/conversations", async (c) => c.json(store.create(await c.req.json())));
  app.delete("/api/conversations", (c) => {
    const deleted = store.conversations.size;
    store.conversations.clear();
    return c.json({ deleted });
  });
  app.get("/api/conversations/:id", (c) => {
    const found = conversation(c);
    return found
      ? c.json({ conversation: found, messages: store.tree(found.id) })
      : fail(c, 404, "There is no such conversation.");
  });
  app.patch("/api/conversations/:id", async (c) => c.json(Object.assign(conversation(c)!, await c.req.json())));
  app.delete("/api/conversations/:id", (c) => {
    const found = conversation(c)!;
    store.conversations.delete(found.id);
    store.deleted.set(found.id, found);
    return c.json({ restoreUntil: Date.now() + UNDO_MS });
  });
  app.post("/api/conversations/:id/restore", (c) => {
    const back = store.deleted.get(c.req.param("id"));
    if (!back) return fail(c, 404, "It cannot be restored any more.");
    store.conversations.set(back.id, back);
    return c.json(back);
  });
  app.post("/api/conversations/:id/fork", async (c) => {
    const source = conversation(c)!;
    const copy = store.create({ title: source.title, settings: source.settings });
    let parentId: string | null = null;
    for (const one of store.branch((await c.req.json()).messageId))
      parentId = store.add(copy, { ...one, id: crypto.randomUUID(), conversationId: copy.id, parentId }).id;
    return c.json(copy);
  });
}

function addMessages(app: Hono, store: Store, replies: Replies): void {
  const message = (c: Context) => store.messages.get(c.req.param("id")!);
  const reply = (parentId: string, conversationId: string, model: string, slot = 0) => {
    const made = store.add(store.conversations.get(conversationId)!, {
      parentId,
      role: "assistant",
      model,
      status: "queued",
      slot,
    });
    replies.start(made);
    return { ...made };
  };
  const modelOf = (conversationId: string): string =>
    store.conversations.get(conversationId)?.settings.model ?? INFO.defaultModel;
  app.post("/api/conversations/:id/messages", async (c) => {
    const { content, parentId, attachments = [], models } = (await c.req.json()) as NewMessage;
    const found = store.conversations.get(c.req.param("id"))!;
    const there = store.info.models ?? MODELS;
    if (models?.some((model) => !there.some(({ id }) => id === model)))
      return fail(c, 404, "there is no such model", "model_not_found");
    const own = store.add(found, { content, parentId, attachments });
    const asked = models ?? [modelOf(found.id)];
    const made = asked.map((model, i) => reply(own.id, found.id, model, asked.length > 1 ? i + 1 : 0));
    found.leafId = made[0].id;
    return c.json({ message: own, replies: made });
  });
  app.post("/api/messages/:id/regenerate", async (c) => {
    const { parentId, conversationId } = message(c)!;
    return c.json(reply(parentId!, conversationId, (await c.req.json()).model ?? modelOf(conversationId)));
  });
  app.post("/api/messages/:id/continue", (c) => {
    const found = Object.assign(message(c)!, { status: "queued", finishReason: null });
    replies.start(found, found.content);
    return c.json({ ...found });
  });
  app.post("/api/messages/:id/stop", (c) => {
    replies.stop(c.req.param("id"));
    return c.json(message(c)!);
  });
  app.get("/api/messages/:id/events", (c) => {
    const found = message(c);
    if (!found) return fail(c, 404, "There is no such message.");
    return streamSSE(c, async (stream) => {
      const send = (event: ReplyEvent) => stream.writeSSE({ data: JSON.stringify(event) });
      const events = replies.events(found.id);
      await send({ type: "snapshot", message: { ...found } });
      if (!events) return send({ type: "done", message: { ...found } });
      await new Promise<void>((resolve) => {
        const pass = (event: ReplyEvent): void => {
          void send(event);
          if (event.type === "done") resolve();
        };
        events.on("event", pass);
        stream.onAbort(() => {
          events.off("event", pass);
          resolve();
        });
      });
    });
  });
  app.get("/api/messages/:id/xray", (c) => c.json({ tokens: tokensOf(message(c)!.content, message(c)!.model!) }));
}

function addSettings(app: Hono, store: Store): void {
  app.get("/api/card", (c) => c.json({ text: CARD }));
  app.put("/api/defaults", async (c) => {
    store.defaults = await c.req.json();
    return c.json(store.defaults);
  });
  app.post("/api/count", async (c) => {
    const { parentId, content, settings } = (await c.req.json()) as Draft;
    const model = MODELS.find(({ id }) => id === settings.model);
    const context = model?.context ?? 4096;
    const sizes = [...store.branch(parentId).map((one) => one.content), content].map((text) => pieces(text).length);
    let leftOut = 0;
    while (leftOut < sizes.length - 1 && sum(sizes.slice(leftOut)) > context) leftOut++;
    const tokens = sum(sizes.slice(leftOut));
    const exact = model?.owner === "local";
    return c.json({ tokens, exact, context, leftOut, fits: tokens < context } satisfies Count);
  });
  app.get("/api/presets", (c) => c.json({ presets: store.presets }));
  app.put("/api/presets", async (c) => {
    store.presets = (await c.req.json()).presets;
    return c.json({ presets: store.presets });
  });
}

function addExports(app: Hono, store: Store): void {
  app.get("/api/export", (c) =>
    c.json({
      format: "shoal-conversations",
      version: 1,
      conversations: [...store.conversations.values()].map((one) => ({
        conversation: one,
        messages: store.tree(one.id),
      })),
    } satisfies Export),
  );
  app.post("/api/import", async (c) => {
    const { conversations } = (await c.req.json()) as Export;
    const fresh = conversations.filter(({ conversation: { id } }) => !store.conversations.has(id));
    for (const { conversation: one, messages } of fresh) {
      const copy = store.create(one);
      for (const part of messages) store.add(copy, part);
      copy.leafId = one.leafId;
    }
    const added = fresh.length;
    return c.json({ added, updated: 0, skipped: conversations.length - added } satisfies Imported);
  });
}
