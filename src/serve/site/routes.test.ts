import { describe, expect, it, vi } from "vitest";
import { EngineError } from "../../infer/index.ts";
import { events, type TestServer, testServer } from "../testing/test-server.ts";
import type { Conversation, Message, ReplyEvent } from "../wire.ts";

/** A conversation with one question; its reply as it was begun. */
async function ask(server: TestServer, content = "Hello there", more: object = {}) {
  const conversation: Conversation = await server.post("/api/conversations", {});
  const sent = await server.post(`/api/conversations/${conversation.id}/messages`, {
    parentId: null,
    content,
    ...more,
  });
  return {
    id: conversation.id,
    message: sent.message as Message,
    replies: sent.replies as Message[],
    reply: sent.replies[0] as Message,
  };
}

const watch = async (server: TestServer, id: string) =>
  (await events(await server.get(`/api/messages/${id}/events`))) as ReplyEvent[];

async function whole(server: TestServer, id: string): Promise<Message> {
  const last = (await watch(server, id)).at(-1)!;
  return last.type === "done" ? last.message : expect.fail("no done event");
}

const tree = async (server: TestServer, id: string) =>
  (await (await server.get(`/api/conversations/${id}`)).json()) as {
    conversation: Conversation;
    messages: Message[];
  };

describe("a conversation", () => {
  const server = testServer();

  it("is titled by its first question, answered, and kept with cost and token infos", async () => {
    const { id, message, reply } = await ask(server);
    expect(message).toMatchObject({ role: "user", status: "done", parentId: null });
    expect(reply).toMatchObject({ role: "assistant", status: "queued", parentId: message.id, model: "fake" });
    const done = await whole(server, reply.id);
    expect(done).toMatchObject({ content: "You said: Hello there", status: "done", finishReason: "stop", leftOut: 0 });
    expect(done.costUsd).toBeCloseTo((2 * 1 + 4 * 2) / 1e6, 12);
    const { conversation, messages } = await tree(server, id);
    expect(conversation).toMatchObject({ title: "Hello there", leafId: reply.id });
    expect(messages).toEqual([message, done]);
    const { tokens } = (await (await server.get(`/api/messages/${reply.id}/xray`)).json()) as { tokens: unknown[] };
    expect(tokens).toHaveLength(4);
    expect(tokens[0]).toMatchObject({
      text: "You",
      logprob: -0.25,
      experts: [
        [0, 1],
        [2, 3],
      ],
      top: [{}, {}],
    });
  });

  it("asks with its settings, system prompt and attachments", async () => {
    const settings = { system: "Be kind.", temperature: 0.1, topP: 0.5, maxTokens: 3, stop: ["x"] };
    const conversation = await server.post("/api/conversations", { settings, title: "Mine" });
    const sent = await server.post(`/api/conversations/${conversation.id}/messages`, {
      parentId: null,
      content: "Explain",
      attachments: [{ name: "a.py", text: "print(1)" }],
    });
    await whole(server, sent.replies[0].id);
    expect(server.engine.requests.at(-1)).toMatchObject({
      temperature: 0.1,
      topP: 0.5,
      maxTokens: 3,
      stop: ["x"],
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "a.py:\n```py\nprint(1)\n```\n\nExplain" },
      ],
    });
    expect((await tree(server, conversation.id)).conversation.title).toBe("Mine");
  });

  it("branches: an edited question, another answer, and the branch on show", async () => {
    const { id, message, reply } = await ask(server, "first");
    await whole(server, reply.id);
    const edited = await server.post(`/api/conversations/${id}/messages`, { parentId: null, content: "second" });
    await whole(server, edited.replies[0].id);
    expect(server.engine.requests.at(-1)).toMatchObject({ messages: [{ content: "second" }] });
    const again: Message = await server.post(`/api/messages/${reply.id}/regenerate`, { settings: { temperature: 0 } });
    expect(again.parentId).toBe(message.id);
    await whole(server, again.id);
    expect(server.engine.requests.at(-1)).toMatchObject({ messages: [{ content: "first" }], temperature: 0 });
    expect((await tree(server, id)).conversation.leafId).toBe(again.id);
    await server.send("PATCH", `/api/conversations/${id}`, { leafId: reply.id });
    expect((await tree(server, id)).conversation.leafId).toBe(reply.id);
    const follow = await server.post(`/api/conversations/${id}/messages`, { parentId: reply.id, content: "third" });
    await whole(server, follow.replies[0].id);
    expect(server.engine.requests.at(-1)).toMatchObject({
      messages: [{ content: "first" }, { content: "You said: first" }, { content: "third" }],
    });
    const fork = await server.post(`/api/conversations/${id}/fork`, { messageId: reply.id });
    expect((await tree(server, fork.id)).messages.map(({ content }) => content)).toEqual(["first", "You said: first"]);
  });

  it("is deleted, restored, searched, exported and imported", async () => {
    const own = testServer();
    const { id, reply } = await ask(own, "The walrus");
    await whole(own, reply.id);
    const find = async (q: string) =>
      ((await (await own.get(`/api/conversations?q=${q}`)).json()) as { conversations: unknown[] }).conversations;
    expect(await find("walrus")).toMatchObject([
      { id, hit: { snippet: "You said: The \uE000walrus\uE001", messageId: reply.id } },
    ]);
    const { restoreUntil } = (await (await own.send("DELETE", `/api/conversations/${id}`)).json()) as {
      restoreUntil: number;
    };
    expect(restoreUntil).toBeGreaterThan(Date.now());
    expect(await find("walrus")).toEqual([]);
    expect((await own.send("POST", `/api/conversations/${id}/restore`)).status).toBe(200);
    const answer = await own.get("/api/export");
    expect(answer.headers.get("content-disposition")).toMatch(
      /^attachment; filename="shoal-conversations-[\d-]+\.json"$/,
    );
    const file = await answer.text();
    expect(await (await own.send("DELETE", "/api/conversations")).json()).toEqual({ deleted: 1 });
    expect(await own.post("/api/import", JSON.parse(file))).toEqual({ added: 1, updated: 0, skipped: 0 });
    expect(await find("walrus")).toHaveLength(1);
  });

  it("keeps presets", async () => {
    const presets = [{ name: "Cold", settings: { temperature: 0 } }];
    expect(await (await server.send("PUT", "/api/presets", { presets })).json()).toEqual({ presets });
    expect(await (await server.get("/api/presets")).json()).toEqual({ presets });
  });
});

describe("a reply", () => {
  it("comes to every watcher whole, whenever they come", async () => {
    const server = testServer({ pace: 10 });
    const { reply } = await ask(server, "one two three four five six");
    const early = watch(server, reply.id);
    await expect.poll(() => server.engine.running, { interval: 1 }).toBe(1);
    const late = watch(server, reply.id);
    for (const all of await Promise.all([early, late])) {
      const [first, title] = all;
      expect([first.type, title.type]).toEqual(["snapshot", "title"]);
      const begun = first.type === "snapshot" ? first.message.content : "";
      const rest = all.map((event) => (event.type === "text" ? event.text : "")).join("");
      expect(begun + rest).toBe("You said: one two three four five six");
      expect(all.filter(({ type }) => type === "done")).toHaveLength(1);
    }
    expect((await watch(server, reply.id)).map(({ type }) => type)).toEqual(["snapshot", "done"]);
  });

  it("goes on when nobody watches, and is stored while it comes", async () => {
    const server = testServer({ pace: 60 });
    const { reply } = await ask(server, "one two three four five");
    const answer = await server.get(`/api/messages/${reply.id}/events`);
    await answer.body!.cancel();
    await expect
      .poll(() => server.store.messages.get("local", reply.id)?.content, { interval: 20 })
      .toMatch(/^You said:/);
    expect(server.store.messages.get("local", reply.id)!.status).toBe("streaming");
    expect((await whole(server, reply.id)).content).toBe("You said: one two three four five");
  });

  it("is stopped, and continued from there with its numbers added up", async () => {
    const server = testServer({ pace: 60 });
    const { reply } = await ask(server, "one two three four five six seven");
    await expect.poll(() => server.engine.running).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stopped: Message = await server.post(`/api/messages/${reply.id}/stop`, {});
    expect(stopped).toMatchObject({ status: "stopped", finishReason: "abort" });
    expect(server.engine.running).toBe(0);
    const going: Message = await server.post(`/api/messages/${reply.id}/continue`, {});
    expect(going).toMatchObject({ id: reply.id, status: "queued", content: stopped.content });
    const done = await whole(server, reply.id);
    expect(done).toMatchObject({ status: "done", content: `${stopped.content} and so on` });
    expect(done.usage!.completionTokens).toBe(stopped.usage!.completionTokens + 3);
    expect(done.costUsd!).toBeGreaterThan(stopped.costUsd!);
    expect(
      server.store.messages
        .xray(reply.id)
        .map(({ text }) => text)
        .join(""),
    ).toBe(done.content);
    expect(server.engine.requests.at(-1)).toMatchObject({
      continueFinal: true,
      messages: [{ role: "user" }, { role: "assistant", content: stopped.content }],
    });
  });

  it("that runs cannot be continued", async () => {
    const server = testServer({ pace: 20 });
    const { reply } = await ask(server);
    const answer = await server.send("POST", `/api/messages/${reply.id}/continue`, {});
    expect(answer.status).toBe(409);
  });

  it("comes from each model that is asked", async () => {
    const server = testServer({ models: [{ id: "a" }, { id: "b", price: { coreHourUsd: 3.6, cores: 2 } }] });
    const { replies } = await ask(server, "Hi", { models: ["a", "b"] });
    const done = await Promise.all(replies.map(({ id }) => whole(server, id)));
    expect(done.map(({ model }) => model)).toEqual(["a", "b"]);
    expect(done[1].parentId).toBe(done[0].parentId);
    expect(done[1].costUsd).toBeCloseTo(0.03 * 2 * 0.001, 12);
    const none = await server.send("POST", `/api/conversations/${done[0].conversationId}/messages`, {
      parentId: null,
      content: "x",
      models: ["c"],
    });
    expect(none.status).toBe(404);
    expect((await tree(server, done[0].conversationId)).messages).toHaveLength(3);
  });

  it("that fails says why, and keeps what had come", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const server = testServer({ failAfter: 2 });
    const { reply } = await ask(server);
    expect(await whole(server, reply.id)).toMatchObject({
      status: "failed",
      content: "You said:",
      error: /inside|broke/,
    });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    const busy = testServer({ refuse: () => new EngineError("overloaded", "the queue is full") });
    const refused = await ask(busy);
    expect(await whole(busy, refused.reply.id)).toMatchObject({
      status: "failed",
      content: "",
      error: "the queue is full",
    });
  });

  it("sees only the newest turns where the context is small, and says how many it did not see", async () => {
    const server = testServer({ models: [{ context: 40 }], context: 12 });
    const conversation = await server.post("/api/conversations", {});
    let parentId: string | null = null;
    let last: Message | null = null;
    for (const content of ["one two", "three four", "five six", "seven eight"]) {
      const sent = await server.post(`/api/conversations/${conversation.id}/messages`, { parentId, content });
      last = await whole(server, sent.replies[0].id);
      parentId = last.id;
    }
    expect(last).toMatchObject({ status: "done", content: "You said: seven eight" });
    expect(last!.leftOut).toBeGreaterThan(0);
    expect(last!.leftOut! % 2).toBe(0);
  });

  it("is asked for without log probabilities where an upstream refuses them", async () => {
    let refusals = 1;
    const refuse = () => (refusals-- > 0 ? new EngineError("upstream", "no logprobs", { status: 400 }) : null);
    const server = testServer({ refuse });
    const { reply } = await ask(server);
    expect(await whole(server, reply.id)).toMatchObject({ status: "done", content: "You said: Hello there" });
    expect(server.engine.requests.map(({ topLogprobs }) => topLogprobs)).toEqual([8, undefined]);
  });

  it("ends with its conversation, and with the server", async () => {
    const server = testServer({ pace: 20 });
    const { id, reply } = await ask(server);
    await expect.poll(() => server.engine.running).toBe(1);
    await server.send("DELETE", `/api/conversations/${id}`);
    await expect.poll(() => server.engine.running).toBe(0);
    const second = await ask(server);
    const watched = watch(server, second.reply.id);
    await server.replies.close();
    expect(server.store.messages.get("local", second.reply.id)!.status).toBe("interrupted");
    expect((await watched).at(-1)).toMatchObject({ type: "done", message: { status: "interrupted" } });
    await server.send("POST", `/api/conversations/${id}/restore`);
    expect(server.store.messages.get("local", reply.id)!.status).toBe("stopped");
  });
});

describe("the site's API refuses", () => {
  const server = testServer();

  it.each([
    ["GET", "/api/conversations/none", undefined, 404],
    ["GET", "/api/messages/none/events", undefined, 404],
    ["POST", "/api/messages/none/stop", {}, 404],
    ["GET", "/api/conversations?limit=x", undefined, 400],
    ["POST", "/api/conversations", { colour: "red" }, 400],
    ["POST", "/api/conversations", { settings: { temperature: 9 } }, 400],
    ["PUT", "/api/presets", { presets: [{ name: "" }] }, 400],
    ["POST", "/api/import", { format: "other", version: 1, conversations: [] }, 400],
  ])("%s %s %j", async (method, path, body, status) => {
    const answer = await server.send(method, path, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({
      error: { message: expect.any(String), type: "invalid_request_error" },
    });
  });

  it("messages that belong elsewhere, and empty ones", async () => {
    const { id, message, reply } = await ask(server);
    await whole(server, reply.id);
    const other = await server.post("/api/conversations", {});
    const send = (conversation: string, body: object) =>
      server.send("POST", `/api/conversations/${conversation}/messages`, body);
    expect((await send(other.id, { parentId: message.id, content: "x" })).status).toBe(404);
    expect((await send(id, { parentId: null, content: "  " })).status).toBe(400);
    expect((await server.send("PATCH", `/api/conversations/${other.id}`, { leafId: message.id })).status).toBe(400);
    expect((await server.send("POST", `/api/messages/${message.id}/regenerate`, {})).status).toBe(400);
  });

  it("exports whose messages do not fit together", async () => {
    const { reply } = await ask(server);
    await whole(server, reply.id);
    const file = JSON.parse(await (await server.get("/api/export")).text());
    const broken = structuredClone(file);
    broken.conversations[0].messages[1].parentId = "nowhere";
    const answer = await server.send("POST", "/api/import", broken);
    expect(await answer.json()).toMatchObject({
      error: { param: "conversations[0].messages[1].parentId", message: /earlier/ },
    });
  });
});
