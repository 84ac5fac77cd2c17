import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it, vi } from "vitest";
import { fakeToken } from "../testing/fake-engine.ts";
import { testFolder } from "../testing/test-server.ts";
import type { Conversation, Message } from "../wire.ts";
import { snippet } from "./search.ts";
import { Searcher } from "./searcher.ts";
import { openStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

const ada = "ada";

/** A conversation of alternating turns; its messages. */
function talk(store: Store, texts: string[], owner = ada): { conversation: Conversation; messages: Message[] } {
  const conversation = store.conversations.create(owner, { title: texts[0] });
  const messages: Message[] = [];
  for (const [i, content] of texts.entries()) {
    const parentId = messages.at(-1)?.id ?? null;
    const role = i % 2 === 0 ? "user" : "assistant";
    messages.push(store.messages.add({ conversationId: conversation.id, parentId, role, content }));
  }
  store.conversations.touch(conversation.id, messages.at(-1)!.id);
  return { conversation: store.conversations.get(owner, conversation.id)!, messages };
}

describe("conversations", () => {
  const store = openStore(testFolder());

  it("are listed newest first, page by page", () => {
    const ids = ["one", "two", "three"].map((text) => talk(store, [text], "pages").conversation.id);
    const first = store.conversations.list("pages", { limit: 2 });
    expect(first).toMatchObject({ more: true, conversations: [{ id: ids[2] }, { id: ids[1] }] });
    const before = first.conversations[1].updatedAt;
    expect(store.conversations.list("pages", { limit: 2, before })).toMatchObject({
      more: false,
      conversations: [{ id: ids[0] }],
    });
    store.conversations.update("pages", ids[0], { title: "first" });
    expect(store.conversations.list("pages", { limit: 1 }).conversations[0]).toMatchObject({
      id: ids[0],
      title: "first",
    });
  });

  it("keep settings, the branch on show, and every field of a message", () => {
    const { conversation, messages } = talk(store, ["hello"]);
    const settings = { temperature: 0.2, system: "Be kind.", stop: ["x"] };
    store.conversations.update(ada, conversation.id, { settings });
    const usage = {
      promptTokens: 1,
      cachedTokens: 0,
      completionTokens: 2,
      reasoningTokens: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      queueSeconds: null,
      prefillSeconds: 0.1,
      decodeSeconds: 0.2,
    };
    const reply = store.messages.add({
      conversationId: conversation.id,
      parentId: messages[0].id,
      role: "assistant",
      model: "m",
    });
    Object.assign(reply, {
      content: "hi \u0000 你好 🐟",
      reasoning: "hm",
      status: "failed",
      error: "no",
      finishReason: "length",
      usage,
      costUsd: 0.5,
      leftOut: 3,
    });
    store.messages.save(reply);
    const tree = store.conversations.tree(ada, conversation.id)!;
    expect(tree.conversation.settings).toEqual(settings);
    expect(tree.messages).toEqual([messages[0], reply]);
    expect(store.messages.branch(reply)).toEqual([messages[0], reply]);
  });

  it("are deleted with a way back, for a while", async () => {
    const folder = testFolder();
    const own = openStore(folder);
    const { conversation, messages } = talk(own, ["soon gone"]);
    expect(own.conversations.delete(ada, conversation.id)).toBeGreaterThan(Date.now());
    expect(own.conversations.get(ada, conversation.id)).toBeNull();
    expect(own.messages.get(ada, messages[0].id)).toBeNull();
    expect((await own.conversations.search(ada, { limit: 9, query: "gone" })).conversations).toEqual([]);
    expect(own.conversations.delete(ada, conversation.id)).toBeNull();
    expect(own.conversations.restore("bob", conversation.id)).toBeNull();
    expect(own.conversations.restore(ada, conversation.id)).toMatchObject({ title: "soon gone" });
    own.conversations.delete(ada, conversation.id);
    vi.useFakeTimers({ now: Date.now() + 2 * 60 * 60 * 1000 });
    own.purge();
    expect(own.conversations.restore(ada, conversation.id)).toBeNull();
    own.close();
    // What was deleted is not left in the file either.
    expect(readFileSync(join(folder, "shoal.db")).includes("soon gone")).toBe(false);
  });

  afterEach(() => void vi.useRealTimers());

  it("fork into a copy of one branch", () => {
    const { conversation, messages } = talk(store, ["q", "a", "q2", "a2"]);
    const other = store.messages.add({
      conversationId: conversation.id,
      parentId: messages[0].id,
      role: "assistant",
      content: "b",
    });
    store.messages.saveXray(messages[1].id, [fakeToken("a", 1)]);
    const made = store.conversations.fork(ada, conversation.id, messages[1].id)!;
    const tree = store.conversations.tree(ada, made.id)!;
    expect(tree.messages.map(({ content }) => content)).toEqual(["q", "a"]);
    expect(tree.conversation.leafId).toBe(tree.messages[1].id);
    expect(tree.messages[1]).toMatchObject({ parentId: tree.messages[0].id, conversationId: made.id });
    expect(store.messages.xray(tree.messages[1].id)).toEqual([fakeToken("a", 1)]);
    expect(store.conversations.tree(ada, conversation.id)!.messages).toHaveLength(5);
    expect(store.conversations.fork("bob", conversation.id, other.id)).toBeNull();
    expect(store.conversations.fork(ada, made.id, other.id)).toBeNull();
  });

  it("survive an export and an import, token infos and all", () => {
    const { messages } = talk(store, ["to export", "yes"], "mover");
    store.messages.saveXray(messages[1].id, [fakeToken("yes", 2)]);
    const before = [...store.conversations.export("mover")];
    expect(store.conversations.deleteAll("mover")).toBe(1);
    expect([...store.conversations.export("mover")]).toEqual([]);
    expect(store.conversations.import("mover", before)).toEqual({ added: 1, updated: 0, skipped: 0 });
    const after = [...store.conversations.export("mover")];
    const told = (all: typeof after) =>
      all.map(({ conversation, messages }) => [
        conversation.title,
        conversation.createdAt,
        messages.findIndex(({ id }) => id === conversation.leafId),
        messages.map(({ content, role, xray, parentId }) => [
          content,
          role,
          xray,
          messages.findIndex(({ id }) => id === parentId),
        ]),
      ]);
    expect(told(after)).toEqual(told(before));
  });

  it("are imported all or not at all", () => {
    talk(store, ["whole"], "broken");
    const exported = [...store.conversations.export("broken")];
    const broken = structuredClone(exported[0]);
    (broken.messages[0] as { content: unknown }).content = null;
    expect(() => store.conversations.import("broken", [exported[0], broken])).toThrow();
    expect(store.conversations.list("broken", { limit: 9 }).conversations).toHaveLength(1);
  });
});

describe("search", () => {
  const store = openStore(testFolder());
  const { messages } = talk(store, ["Tell me of the River Thames", "It flows through London and 伦敦大桥."]);
  talk(store, ["A fox in 100% snow", "It_is white"]);
  talk(store, ["River of another"], "bob");
  const find = async (query: string) => (await store.conversations.search(ada, { limit: 9, query })).conversations;

  it.each([
    ["thames", "Tell me of the River \uE000Thames\uE001"],
    ["RIVER me", "Tell \uE000me\uE001 of the \uE000River\uE001 Tha\uE000me\uE001s"],
    ["伦敦", "It flows through London and \uE000伦敦\uE001大桥."],
    ["ondo", "It flows through L\uE000ondo\uE001n and 伦敦大桥."],
    ["100%", "A fox in \uE000100%\uE001 snow"],
    ["t_i", "I\uE000t_i\uE001s white"],
  ])("finds %s", async (query, expected) => {
    expect((await find(query)).map(({ hit }) => hit!.snippet)).toEqual([expected]);
  });

  it("names the message, and finds titles", async () => {
    expect((await find("London"))[0].hit!.messageId).toBe(messages[1].id);
    const { conversation } = talk(store, ["x"]);
    store.conversations.update(ada, conversation.id, { title: "Zebra crossing" });
    expect(await find("zebra")).toMatchObject([{ id: conversation.id, hit: { messageId: null } }]);
  });

  it.each(["river snow", "nothing", "%", '"', "fox OR thames", "NEAR(", "*"])(
    "finds nothing for %s where nothing is, and fails for none",
    async (query) => {
      expect((await find(query)).filter(({ title }) => query !== "%" || !title.includes("%"))).toEqual([]);
    },
  );

  it("knows a reply once it is whole, and what it has become", async () => {
    const { conversation, messages } = talk(store, ["q"]);
    const reply = store.messages.add({
      conversationId: conversation.id,
      parentId: messages[0].id,
      role: "assistant",
      status: "streaming",
      content: "walrus",
    });
    expect((await find("walrus and")).length).toBe(0);
    store.messages.save({ ...reply, content: "walrus and carpenter", status: "stopped" });
    expect((await find("walrus carpenter")).length).toBe(1);
    store.messages.save({ ...reply, content: "walrus and", status: "streaming" });
    expect((await find("carpenter")).length).toBe(0);
    store.messages.save({ ...reply, content: "walrus and oyster", status: "done" });
    expect((await find("oyster")).length).toBe(1);
  });

  it.each(["\u0000", "fox\u0000snow", "\u0000\u0001", "\ud800", "a".repeat(1000), "\u0007 fox"])(
    "takes %j for words or for nothing",
    async (query) => {
      const found = await find(query);
      expect(found.length).toBe(query.includes("fox") ? 1 : 0);
    },
  );

  it("that takes too long is given up, waits for nobody else, and leaves the next one whole", async () => {
    const folder = testFolder();
    const own = openStore(folder);
    talk(own, ["a".repeat(2 << 20)]);
    talk(own, ["fox"]);
    const hasty = new Searcher(join(folder, "shoal.db"), 30);
    const order = { owner: ada, limit: 9, before: Number.MAX_SAFE_INTEGER };
    await expect(hasty.find({ ...order, query: "a".repeat(64) })).rejects.toMatchObject({ status: 503 });
    hasty.close();
    expect((await own.conversations.search(ada, { limit: 9, query: "fox" })).conversations).toHaveLength(1);
    const unanswered = own.conversations.search(ada, { limit: 9, query: "a".repeat(64) });
    own.close();
    await expect(unanswered).rejects.toThrow(/stopping/);
  });

  it("shows a part of a long text, with whole characters", () => {
    const text = `${"🐟".repeat(200)} needle ${"🐟".repeat(200)}`;
    const shown = snippet(text, ["needle"]);
    expect(shown).toContain("\uE000needle\uE001");
    expect(shown.length).toBeLessThan(300);
    expect(shown.startsWith("…") && shown.endsWith("…")).toBe(true);
    expect(shown.isWellFormed()).toBe(true);
  });
});

describe("the file", () => {
  it("is for its owner's eyes alone", () => {
    const folder = join(testFolder(), "new", "folder");
    openStore(folder).close();
    if (process.platform === "win32") return;
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "shoal.db")).mode & 0o777).toBe(0o600);
  });

  it("belongs to one server at a time, and commands may look in beside it", () => {
    const folder = testFolder();
    const store = openStore(folder);
    expect(() => openStore(folder)).toThrow(/another shoal serve has this data folder/);
    const beside = openStore(folder, { beside: true });
    const { key } = beside.keys.create("ada");
    beside.close();
    expect(store.keys.check(key)).toBe("ada");
    store.close();
    openStore(folder).close();
  });

  it("after a server that was killed is checked, and its open replies are interrupted", async () => {
    const folder = testFolder();
    const { conversation, messages } = talk(openThenLose(folder), ["question"]);
    const lost = openThenLose(folder);
    for (const status of ["queued", "streaming", "done"] as const)
      lost.messages.add({
        conversationId: conversation.id,
        parentId: messages[0].id,
        role: "assistant",
        content: "half",
        status,
      });
    const store = openStore(folder);
    const statuses = store.conversations.tree(ada, conversation.id)!.messages.map(({ status }) => status);
    expect(statuses).toEqual(["done", "interrupted", "interrupted", "done"]);
    expect((await store.conversations.search(ada, { limit: 9, query: "half" })).conversations).toHaveLength(1);
    store.close();
  });

  it("that is damaged is left as it is, with a word on what to do", () => {
    const folder = testFolder();
    writeFileSync(join(folder, "shoal.db"), "this is no database at all, but long enough to look like one".repeat(20));
    expect(() => openStore(folder)).toThrow(/shoal\.db: damaged .*; put a copy in its place/);
    expect(existsSync(join(folder, "shoal.db"))).toBe(true);
  });

  it("of a newer Shoal is left alone", () => {
    const folder = testFolder();
    openStore(folder).close();
    const db = new DatabaseSync(join(folder, "shoal.db"));
    db.exec("PRAGMA user_version = 99");
    db.close();
    expect(() => openStore(folder)).toThrow(/written by a newer Shoal/);
  });
});

/** A store whose process is as good as dead: its lock is gone, and it has not said that it ended. */
function openThenLose(folder: string): Store {
  const store = openStore(folder);
  (store as unknown as { lock: DatabaseSync }).lock.close();
  return store;
}

describe("keys", () => {
  it("are kept as hashes alone", () => {
    const folder = testFolder();
    const store = openStore(folder);
    const { key, id } = store.keys.create("ada");
    expect(key).toMatch(/^sk-shoal-[\w-]{43}$/);
    expect(store.keys.check(key)).toBe("ada");
    expect(store.keys.check(`${key.slice(0, -1)}!`)).toBeNull();
    expect(store.keys.check("")).toBeNull();
    expect(store.keys.list()).toEqual([
      { id, name: "ada", createdAt: expect.any(Number), lastUsedAt: expect.any(Number), revokedAt: null },
    ]);
    store.close();
    expect(readFileSync(join(folder, "shoal.db")).includes(key.slice(9))).toBe(false);
  });
});
