import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FakeEngine, modelInfo } from "../testing/fake-engine.ts";
import { testServer } from "../testing/test-server.ts";
import type { Count, Message } from "../wire.ts";
import { fitted } from "./fit.ts";
import { History } from "./history.ts";

const turn = (content: string, i: number): Message => ({
  id: `${i}`,
  conversationId: "c",
  parentId: null,
  role: i % 2 ? "assistant" : "user",
  content,
  reasoning: null,
  attachments: [],
  createdAt: 0,
  model: null,
  status: "done",
  error: null,
  finishReason: null,
  usage: null,
  costUsd: null,
});
const words = (text: string) => text.match(/\S+/g)?.length ?? 0;

describe("what fits into a context", () => {
  it("is as many of the newest turns as leave room for an answer, and the last message in any case", async () => {
    const engine = new FakeEngine({ context: 1 });
    const text = fc.integer({ min: 1, max: 60 }).map((n) => "word ".repeat(n).trim());
    const settings = fc.record({ maxTokens: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 16, max: 300 }),
        settings,
        async (texts, context, { maxTokens }) => {
          if (texts.length % 2 === 0) texts.pop();
          const history = new History(texts.map(turn), {}, "fake");
          const model = modelInfo({ context });
          const count = await fitted(history, { engine, model, settings: { maxTokens }, continueFinal: false });
          const sent = history.messages(count.leftOut);
          expect(count).toMatchObject({ exact: true, context });
          expect(count.tokens).toBe(words(sent.map(({ content }) => content).join(" ")));
          expect(sent[0].role).toBe("user");
          const room = context - history.answerRoom(context, maxTokens);
          if (count.tokens <= room) expect(count.fits).toBe(true);
          else {
            expect(sent).toHaveLength(1);
            expect(count.fits).toBe(count.tokens < context);
          }
        },
      ),
      { numRuns: 200, seed: 6 },
    );
  });

  it("is estimated where nobody counts, and never counted word by word where it is far too long", async () => {
    const history = new History([turn("x".repeat(300), 0)], {}, "fake");
    const model = modelInfo({ context: 1000 });
    const asked = { model, settings: {}, continueFinal: false };
    expect(await fitted(history, { ...asked, engine: new FakeEngine() })).toMatchObject({ exact: false, tokens: 105 });
    const counting = new FakeEngine({ context: 1 });
    const spy = vi.spyOn(counting, "countTokens");
    const long = new History([turn("x".repeat(1 << 20), 0)], {}, "fake");
    expect(await fitted(long, { ...asked, engine: counting })).toMatchObject({ exact: false, fits: false });
    expect(spy).not.toHaveBeenCalled();
  });
});

describe("a message that is being written", () => {
  const server = testServer({ models: [{ context: 12 }], context: 12 });
  const count = (body: object): Promise<Count> => server.post("/api/count", { parentId: null, settings: {}, ...body });
  const whole = async (id: string): Promise<Message> => {
    const stream = await (await server.get(`/api/messages/${id}/events`)).text();
    return JSON.parse(stream.trim().split("\n").at(-1)!.slice(6)).message;
  };

  it("takes what its reply will say that it took, and leaves out as many", async () => {
    const conversation = await server.post("/api/conversations", { settings: { system: "Be kind." } });
    let parentId: string | null = null;
    for (const content of ["one two", "three", "four five six", "seven eight nine ten"]) {
      const told = await count({ parentId, content, settings: { system: "Be kind." } });
      const sent = await server.post(`/api/conversations/${conversation.id}/messages`, { parentId, content });
      const reply = await whole(sent.replies[0].id);
      expect(told).toMatchObject({
        exact: true,
        fits: true,
        tokens: reply.usage!.promptTokens,
        leftOut: reply.leftOut,
      });
      parentId = reply.id;
    }
  });

  it("that is too long by itself is told to be, and refused with the numbers", async () => {
    const content = "word ".repeat(20).trim();
    expect(await count({ content })).toEqual({ tokens: 20, exact: true, context: 12, leftOut: 0, fits: false });
    const { id } = await server.post("/api/conversations", {});
    const sent = await server.post(`/api/conversations/${id}/messages`, { parentId: null, content });
    expect(await whole(sent.replies[0].id)).toMatchObject({
      status: "failed",
      error: "this message alone takes 20 tokens of a context of 12: shorten it, or choose another model",
    });
  });

  it("of nothing counts the branch, and another person's branch is none", async () => {
    expect(await count({ content: " " })).toMatchObject({ tokens: 0, fits: true });
    const refused = await server.send("POST", "/api/count", { parentId: "none", content: "x", settings: {} });
    expect(refused.status).toBe(404);
  });
});

describe("replies that were asked for together", () => {
  it("go on each from its own model's answer", async () => {
    const server = testServer({ models: [{ id: "a" }, { id: "b" }] });
    const { id } = await server.post("/api/conversations", {});
    const send = async (parentId: string | null, content: string) => {
      const sent = await server.post(`/api/conversations/${id}/messages`, { parentId, content, models: ["a", "b"] });
      for (const { id } of sent.replies) await (await server.get(`/api/messages/${id}/events`)).text();
      return sent.replies as Message[];
    };
    const first = await send(null, "one");
    expect(first.map(({ slot }) => slot)).toEqual([1, 2]);
    // What each said is told apart.
    for (const reply of first)
      server.store.messages.save({ ...server.store.messages.get("local", reply.id)!, content: `I am ${reply.model}` });
    await send(first[0].id, "two");
    const seen = server.engine.requests.slice(-2).map((asked) => "messages" in asked && asked.messages[1].content);
    expect(seen.sort()).toEqual(["I am a", "I am b"]);
  });
});
