import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exported } from "../site/schemas.ts";
import { testFolder, testServer } from "../testing/test-server.ts";
import type { Conversation, Export, Message } from "../wire.ts";
import { openStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

const me = "local";
type Exported = Export["conversations"];

const file = (store: Store, owner = me): Exported =>
  JSON.parse(JSON.stringify([...store.conversations.export(owner)])) as Exported;

function talk(store: Store, texts: string[], owner = me): { conversation: Conversation; messages: Message[] } {
  const conversation = store.conversations.create(owner, { title: texts[0] });
  const messages: Message[] = [];
  for (const [i, content] of texts.entries()) {
    const parentId = messages.at(-1)?.id ?? null;
    messages.push(
      store.messages.add({ conversationId: conversation.id, parentId, role: i % 2 ? "assistant" : "user", content }),
    );
  }
  store.conversations.touch(conversation.id, messages.at(-1)!.id);
  return { conversation, messages };
}

/** What is there, whatever the ids. */
const said = (all: Exported) =>
  all
    .map(({ conversation, messages }) => {
      const at = (id: string | null) => messages.findIndex((one) => one.id === id);
      return [conversation.title, at(conversation.leafId), messages.map((one) => [one.content, at(one.parentId)])];
    })
    .sort();

describe("an import of one's own export", () => {
  it("changes nothing, however often it comes", () => {
    const store = openStore(testFolder());
    talk(store, ["q", "a", "q2", "a2"]);
    talk(store, ["same", "same"]);
    talk(store, ["same", "same"]);
    store.conversations.create(me, { title: "empty" });
    const before = file(store);
    for (let i = 0; i < 2; i++)
      expect(store.conversations.import(me, before)).toEqual({ added: 0, updated: 0, skipped: 4 });
    expect(file(store)).toEqual(before);
  });

  it("brings back what was deleted since, and doubles nothing else", () => {
    const store = openStore(testFolder());
    const kept = talk(store, ["kept"]);
    const gone = talk(store, ["gone", "with it"]);
    const before = file(store);
    store.conversations.delete(me, gone.conversation.id);
    expect(store.conversations.import(me, before)).toEqual({ added: 1, updated: 0, skipped: 1 });
    expect(said(file(store))).toEqual(said(before));
    store.conversations.deleteAll(me);
    expect(store.conversations.import(me, before)).toEqual({ added: 2, updated: 0, skipped: 0 });
    expect(file(store)).toEqual(before);
    expect(store.messages.get(me, kept.messages[0].id)).not.toBeNull();
  });

  it("keeps what was written here since", () => {
    const store = openStore(testFolder());
    const { conversation, messages } = talk(store, ["q", "a"]);
    const before = file(store);
    store.messages.add({ conversationId: conversation.id, parentId: messages[1].id, role: "user", content: "later" });
    store.messages.add({ conversationId: conversation.id, parentId: null, role: "user", content: "edited q" });
    store.conversations.update(me, conversation.id, { title: "renamed" });
    const here = file(store);
    expect(store.conversations.import(me, before)).toEqual({ added: 0, updated: 0, skipped: 1 });
    expect(file(store)).toEqual(here);
  });

  it("adds what was written there since, with title and branch", () => {
    const here = openStore(testFolder());
    const there = openStore(testFolder());
    const { conversation, messages } = talk(here, ["q", "a"]);
    there.conversations.import("ada", file(here));
    const more = there.messages.add({
      conversationId: conversation.id,
      parentId: messages[1].id,
      role: "user",
      content: "more",
    });
    there.conversations.update("ada", conversation.id, { title: "renamed", leafId: more.id });
    here.messages.add({ conversationId: conversation.id, parentId: messages[1].id, role: "user", content: "other" });
    expect(here.conversations.import(me, file(there, "ada"))).toEqual({ added: 0, updated: 1, skipped: 0 });
    const [{ conversation: now, messages: all }] = file(here);
    expect(now).toMatchObject({ title: "renamed", leafId: more.id });
    expect(all.map(({ content }) => content)).toEqual(["q", "a", "other", "more"]);
    expect(here.conversations.import(me, file(there, "ada"))).toEqual({ added: 0, updated: 0, skipped: 1 });
  });

  it("takes the rest of a reply that went on, and never less than is here", () => {
    const store = openStore(testFolder());
    const { messages } = talk(store, ["q", "half"]);
    const half = file(store);
    const whole = structuredClone(half);
    whole[0].messages[1].content = "half and the rest";
    expect(store.conversations.import(me, whole)).toMatchObject({ updated: 1 });
    expect(store.conversations.import(me, half)).toMatchObject({ skipped: 1 });
    expect(store.messages.get(me, messages[1].id)!.content).toBe("half and the rest");
  });

  it("keeps both where a text was changed by hand", () => {
    const store = openStore(testFolder());
    talk(store, ["q", "a"]);
    const edited = file(store);
    edited[0].messages[1].content = "by hand";
    expect(store.conversations.import(me, edited)).toMatchObject({ updated: 1 });
    expect(store.conversations.import(me, edited)).toMatchObject({ skipped: 1 });
    expect(file(store)[0].messages.map(({ content }) => content)).toEqual(["q", "a", "by hand"]);
  });

  it("knows what came under other ids", () => {
    const store = openStore(testFolder());
    talk(store, ["q", "a", "q2"]);
    const before = file(store);
    const text = JSON.stringify(before);
    const ids = before.flatMap(({ conversation, messages }) => [conversation.id, ...messages.map(({ id }) => id)]);
    const renamed = ids.reduce((all, id, i) => all.replaceAll(id, `copy-${i}`), text);
    expect(store.conversations.import(me, JSON.parse(renamed) as Exported)).toMatchObject({ skipped: 1 });
    const other = openStore(testFolder());
    other.conversations.import(me, JSON.parse(renamed) as Exported);
    expect(other.conversations.import(me, JSON.parse(renamed) as Exported)).toMatchObject({ skipped: 1 });
    expect(other.conversations.import(me, before)).toMatchObject({ skipped: 1 });
    expect(said(file(other))).toEqual(said(before));
  });

  it("of another person is a copy of one's own, and stays one", () => {
    const store = openStore(testFolder());
    const { messages } = talk(store, ["q", "a"], "ada");
    const hers = file(store, "ada");
    expect(store.conversations.import("bob", hers)).toMatchObject({ added: 1 });
    expect(store.conversations.import("bob", hers)).toMatchObject({ added: 0, skipped: 1 });
    expect(said(file(store, "bob"))).toEqual(said(hers));
    expect(store.messages.get("bob", messages[0].id)).toBeNull();
    expect(file(store, "ada")).toEqual(hers);
  });

  it("has each time once, so that the list pages through all of it", () => {
    const store = openStore(testFolder());
    for (let i = 0; i < 5; i++) talk(store, [`${i}`]);
    const all = file(store);
    for (const { conversation } of all) conversation.updatedAt = 1_700_000_000_000;
    all[0].conversation.updatedAt = Number.MAX_SAFE_INTEGER;
    store.conversations.deleteAll(me);
    store.conversations.import(me, all);
    const { conversations } = store.conversations.list(me, { limit: 10 });
    expect(new Set(conversations.map(({ updatedAt }) => updatedAt)).size).toBe(5);
    expect(conversations[0].updatedAt).toBeLessThanOrEqual(Date.now() + 60_000);
  });
});

describe("two sides that both went on", () => {
  it("come together whatever was written where, and in whatever order they are imported", () => {
    const store = openStore(testFolder());
    const texts = (all: Exported) => all.map(({ messages }) => messages.map(pathOf).sort()).sort();
    /** A message as the words that lead to it. */
    function pathOf({ content, parentId }: Message, _at: number, all: readonly Message[]): string {
      const parent = all.find(({ id }) => id === parentId);
      return parent ? `${pathOf(parent, 0, all)}/${content}` : content;
    }
    /** Adds messages, each below one of those that are there (or below none). */
    function write(owner: string, steps: readonly (readonly [number, string])[]): void {
      for (const { conversation, messages } of file(store, owner)) {
        const ids: (string | null)[] = [null, ...messages.map(({ id }) => id)];
        for (const [place, content] of steps) {
          const parentId = ids[place % ids.length];
          const conversationId = conversation.id;
          ids.push(store.messages.add({ conversationId, parentId, role: "user", content, createdAt: place }).id);
        }
      }
    }
    const step = fc.tuple(fc.nat(20), fc.constantFrom("a", "b", "c"));
    const steps = fc.array(step, { minLength: 1, maxLength: 8 });
    let run = 0;
    fc.assert(
      fc.property(steps, steps, steps, (first, here, there) => {
        const [ada, bob] = [`ada${run}`, `bob${run++}`];
        store.conversations.create(ada, { title: "shared" });
        write(ada, first);
        expect(store.conversations.import(bob, file(store, ada))).toMatchObject({ added: 1 });
        expect(texts(file(store, bob))).toEqual(texts(file(store, ada)));
        write(ada, here);
        write(bob, there);
        store.conversations.import(bob, file(store, ada));
        store.conversations.import(ada, file(store, bob));
        expect(texts(file(store, bob))).toEqual(texts(file(store, ada)));
        expect(file(store, ada)).toHaveLength(1);
        for (const [owner, other] of [
          [ada, bob],
          [bob, ada],
        ])
          expect(store.conversations.import(owner, file(store, other))).toMatchObject({ added: 0, updated: 0 });
      }),
      { numRuns: 60, seed: 8 },
    );
  });
});

describe("whatever an upstream said of its tokens", () => {
  it("can be exported and imported again", () => {
    const store = openStore(testFolder());
    const { messages } = talk(store, ["q", "a"]);
    const odd = fc.oneof(
      fc.constantFrom(null, undefined, 300, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "x", [], {}),
      fc.jsonValue(),
    );
    const piece = fc.record(
      { id: odd, text: odd, bytes: fc.oneof(odd, fc.array(odd)), logprob: odd },
      { requiredKeys: [] },
    );
    const token = fc.record({
      top: fc.oneof(odd, fc.array(piece)),
      drafted: odd,
      experts: fc.oneof(odd, fc.array(odd)),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, token)), fc.dictionary(fc.string(), odd), odd, (tokens, usage, cost) => {
        const reply = { ...messages[1], usage, costUsd: cost, toolCalls: [usage, cost] };
        store.messages.save(reply as unknown as Message);
        store.messages.saveXray(reply.id, tokens.map(([one, other]) => ({ ...one, ...other })) as never);
        const conversations = file(store);
        const parsed = exported.safeParse({ format: "shoal-conversations", version: 1, conversations });
        expect(parsed.error?.issues).toBeUndefined();
        expect(store.conversations.import(me, parsed.data!.conversations)).toMatchObject({ skipped: 1 });
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it("does not keep an older export out either", async () => {
    const server = testServer();
    const { id } = await server.post("/api/conversations", {});
    const { replies } = await server.post(`/api/conversations/${id}/messages`, { parentId: null, content: "hi" });
    await (await server.get(`/api/messages/${replies[0].id}/events`)).text();
    const old = JSON.parse(await (await server.get("/api/export")).text());
    const [, reply] = old.conversations[0].messages;
    reply.xray[0].bytes = [300];
    reply.xray[0].top = [{ id: null, text: "x", bytes: [], logprob: null }];
    reply.usage.promptTokens = -1;
    await server.send("DELETE", "/api/conversations");
    expect(await server.post("/api/import", old)).toEqual({ added: 1, updated: 0, skipped: 0 });
    expect(server.store.messages.xray(replies[0].id)[0]).toMatchObject({ text: "You", bytes: [89, 111, 117], top: [] });
  });
});
