/** The site's own API: see wire.ts, which both sides are typed by. */
import type { Deps } from "../deps.ts";
import { ApiFailure } from "../http/errors.ts";
import { type App, addRoute, type Ctx } from "../http/http.ts";
import { type StreamForm, streamed } from "../http/streaming.ts";
import type { Replies } from "../replies/replies.ts";
import type { Store } from "../store/store.ts";
import { VERSION } from "../version.ts";
import type { Export, Imported, Info, ReplyEvent } from "../wire.ts";
import { type Card, readCard } from "./files.ts";
import * as schemas from "./schemas.ts";

interface Site {
  deps: Deps;
  store: Store;
  replies: Replies;
  card?: Card;
  needsKey: boolean;
}

const tag = "Site";

/** Bytes of the one request that carries many conversations. */
const IMPORT_LIMIT = 256 << 20;

/** Events whose data carries its type; nothing follows the last. */
const replyStream: StreamForm<ReplyEvent> = {
  contentType: "text/event-stream; charset=utf-8",
  write: (event) => `data: ${JSON.stringify(event)}\n\n`,
  writeError: ({ body }) => `data: ${JSON.stringify(body)}\n\n`,
  end: "",
  heartbeat: ": waiting\n\n",
};

export function addSiteApi(app: App, site: Site): void {
  addInfo(app, site);
  addConversations(app, site);
  addMessages(app, site);
  addTransfer(app, site);
}

function addInfo(app: App, { deps, store, card, needsKey }: Site): void {
  addRoute(app, { method: "get", path: "/api/info", summary: "The server and its models", tag }, async (c) => {
    // A page without its key learns that it needs one, and nothing else.
    const admitted = c.get("owner") !== "";
    const models = admitted ? await deps.engine.models() : [];
    const defaultModel = models.length > 0 ? await deps.modelId(null).catch(() => models[0].id) : "";
    return c.json({
      version: VERSION,
      models,
      defaultModel,
      upstreams: (admitted && deps.engine.upstreams?.()) || [],
      welcome: admitted && card ? card.welcome : { model: null, lines: [], card: false, examples: [] },
      defaults: admitted ? store.presets.defaults(c.get("owner")) : {},
      needsKey,
      admitted,
    } satisfies Info);
  });
  addRoute(
    app,
    { method: "put", path: "/api/defaults", summary: "What new chats begin with", tag, body: schemas.settings },
    (c, { body }) => {
      store.presets.setDefaults(c.get("owner"), body);
      return c.json(body);
    },
  );
  const text = schemas.cardAnswer;
  addRoute(
    app,
    { method: "get", path: "/api/card", summary: "The model's card, as Markdown", tag, answer: text },
    async (c) => c.json({ text: await readCard(card?.folder ?? null) }),
  );
  addRoute(app, { method: "get", path: "/api/presets", summary: "Presets", tag, answer: schemas.presets }, (c) =>
    c.json({ presets: store.presets.list(c.get("owner")) }),
  );
  addRoute(
    app,
    { method: "put", path: "/api/presets", summary: "Replace all presets", tag, body: schemas.presets },
    (c, { body }) => {
      store.presets.replace(c.get("owner"), body.presets);
      return c.json(body);
    },
  );
}

function addConversations(app: App, { store, replies }: Site): void {
  const { conversations } = store;
  const path = "/api/conversations";
  const one = `${path}/:id`;
  addRoute(
    app,
    { method: "get", path, summary: "Conversations, newest first; q searches", tag, query: schemas.listQuery },
    async (c, { query: { limit, before, q } }) => {
      const owner = c.get("owner");
      const query = q?.trim();
      return c.json(
        query
          ? await conversations.search(owner, { query, limit, before })
          : conversations.list(owner, { limit, before }),
      );
    },
  );
  addRoute(
    app,
    { method: "post", path, summary: "Begin a conversation", tag, body: schemas.newConversation },
    (c, { body }) => c.json(conversations.create(c.get("owner"), body)),
  );
  addRoute(app, { method: "get", path: one, summary: "A conversation with all its messages", tag }, (c) =>
    c.json(found(conversations.tree(c.get("owner"), id(c)))),
  );
  addRoute(
    app,
    {
      method: "patch",
      path: one,
      summary: "Change title, settings or the branch on show",
      tag,
      body: schemas.conversationPatch,
    },
    (c, { body }) => {
      if (body.leafId !== undefined && store.messages.get(c.get("owner"), body.leafId)?.conversationId !== id(c))
        throw new ApiFailure(400, "'leafId': no message of this conversation", { param: "leafId" });
      return c.json(found(conversations.update(c.get("owner"), id(c), body)));
    },
  );
  addRoute(app, { method: "delete", path: one, summary: "Delete; can be undone for a while", tag }, (c) => {
    const restoreUntil = found(conversations.delete(c.get("owner"), id(c)));
    replies.leave(id(c));
    return c.json({ restoreUntil });
  });
  addRoute(app, { method: "post", path: `${one}/restore`, summary: "Undo a deletion", tag }, (c) =>
    c.json(found(conversations.restore(c.get("owner"), id(c)))),
  );
  addRoute(
    app,
    {
      method: "post",
      path: `${one}/fork`,
      summary: "Copy the branch that ends with a message",
      tag,
      body: schemas.fork,
    },
    (c, { body }) => c.json(found(conversations.fork(c.get("owner"), id(c), body.messageId))),
  );
  addRoute(app, { method: "delete", path, summary: "Delete all conversations for good", tag }, (c) => {
    for (const { id } of conversations.list(c.get("owner"), { limit: Number.MAX_SAFE_INTEGER - 1 }).conversations)
      replies.leave(id);
    return c.json({ deleted: conversations.deleteAll(c.get("owner")) });
  });
}

function addMessages(app: App, { store, replies }: Site): void {
  const one = "/api/messages/:id";
  addRoute(
    app,
    {
      method: "post",
      path: "/api/conversations/:id/messages",
      summary: "Say something, and have one or several models answer",
      tag,
      body: schemas.newMessage,
    },
    async (c, { body }) => c.json(await replies.send(c.get("owner"), id(c), body)),
  );
  addRoute(
    app,
    {
      method: "post",
      path: "/api/count",
      summary: "Count what would be sent with a message",
      tag,
      body: schemas.draft,
      answer: schemas.count,
    },
    async (c, { body }) => c.json(await replies.count(c.get("owner"), body)),
  );
  addRoute(
    app,
    {
      method: "post",
      path: `${one}/regenerate`,
      summary: "Answer again, beside the first answer",
      tag,
      body: schemas.regenerate,
    },
    async (c, { body }) => c.json(await replies.regenerate(c.get("owner"), id(c), body)),
  );
  addRoute(
    app,
    { method: "post", path: `${one}/continue`, summary: "Go on where a reply ended early", tag },
    async (c) => c.json(await replies.continue(c.get("owner"), id(c))),
  );
  addRoute(app, { method: "post", path: `${one}/stop`, summary: "End a reply", tag }, async (c) =>
    c.json(await replies.stop(c.get("owner"), id(c))),
  );
  addRoute(
    app,
    { method: "get", path: `${one}/events`, summary: "Watch a reply", tag, stream: "text/event-stream" },
    async (c) => await streamed(c, replyStream, (signal) => replies.watch(c.get("owner"), id(c), signal)),
  );
  addRoute(app, { method: "get", path: `${one}/xray`, summary: "What each token of a reply tells", tag }, (c) => {
    found(store.messages.get(c.get("owner"), id(c)));
    return c.json({ tokens: store.messages.xray(id(c)) });
  });
}

function addTransfer(app: App, { store }: Site): void {
  addRoute(app, { method: "get", path: "/api/export", summary: "All conversations as one file", tag }, (c) => {
    const pieces = exportPieces(store, c.get("owner"));
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      pull(out) {
        const { value, done } = pieces.next();
        if (done) out.close();
        else out.enqueue(encoder.encode(value));
      },
    });
    const name = `shoal-conversations-${new Date().toISOString().slice(0, 10)}.json`;
    return c.body(body, 200, {
      "content-type": "application/json",
      "content-disposition": `attachment; filename="${name}"`,
      "cache-control": "no-store",
    });
  });
  addRoute(
    app,
    {
      method: "post",
      path: "/api/import",
      summary: "Add the conversations of an export",
      tag,
      body: schemas.exported,
      answer: schemas.imported,
      bodyLimit: IMPORT_LIMIT,
    },
    (c, { body }) => {
      const conversations = body.conversations satisfies Export["conversations"];
      return c.json(store.conversations.import(c.get("owner"), conversations) satisfies Imported);
    },
  );
}

function* exportPieces(store: Store, owner: string): Generator<string> {
  yield `{"format":"shoal-conversations","version":1,"conversations":[`;
  let first = true;
  for (const one of store.conversations.export(owner)) {
    yield `${first ? "" : ","}\n${JSON.stringify(one)}`;
    first = false;
  }
  yield "\n]}\n";
}

const id = (c: Ctx): string => c.req.param("id")!;

function found<Value>(value: Value | null): Value {
  if (value === null) throw new ApiFailure(404, "there is no such conversation or message", { code: "not_found" });
  return value;
}
