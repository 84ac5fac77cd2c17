/** What may happen to a database: long chains, a full disk, another process that holds it, a new version. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it, vi } from "vitest";
import { testFolder, testServer } from "../testing/test-server.ts";
import { failureOf } from "./failure.ts";
import { openStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

/** Its database itself, to make trouble. */
const inside = (store: Store): DatabaseSync => Reflect.get(store, "db") as DatabaseSync;

function chain(store: Store, length: number, owner = "local"): string {
  const { id: conversationId } = store.conversations.create(owner, { title: "long" });
  store.whole(() => {
    let parentId: string | null = null;
    for (let i = 0; i < length; i++)
      parentId = store.messages.add({
        conversationId,
        parentId,
        role: i % 2 ? "assistant" : "user",
        content: `${i}`,
      }).id;
  });
  return conversationId;
}

afterEach(() => void vi.restoreAllMocks());

describe("a conversation of thousands of messages in a row", () => {
  it.each([999, 1000, 1100, 20_000])("of %i is deleted with all the others", (length) => {
    const store = openStore(testFolder());
    chain(store, length);
    chain(store, 3, "bob");
    expect(store.conversations.deleteAll("local")).toBe(1);
    const left = inside(store).prepare("SELECT count(*) AS n FROM messages").get()!.n;
    expect(left).toBe(3);
    store.close();
  });

  it("is purged when its time has come, also by the opening of an older database", () => {
    const folder = testFolder();
    const store = openStore(folder);
    const id = chain(store, 1500);
    store.conversations.delete("local", id);
    const second = chain(store, 1500);
    store.conversations.delete("local", second);
    inside(store).prepare("UPDATE conversations SET deleted_at = 1 WHERE id = ?").run(id);
    store.purge();
    expect(inside(store).prepare("SELECT count(*) AS n FROM messages").get()!.n).toBe(1500);
    inside(store).exec("UPDATE conversations SET deleted_at = 1");
    store.close();
    const again = openStore(folder);
    expect(inside(again).prepare("SELECT count(*) AS n FROM messages").get()!.n).toBe(0);
    again.close();
  });

  it("that cannot be purged is logged and tried again", () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const store = openStore(testFolder());
    const db = inside(store);
    store.conversations.delete("local", chain(store, 2));
    db.exec("UPDATE conversations SET deleted_at = 1; PRAGMA query_only = ON");
    store.purge();
    expect(log).toHaveBeenCalledOnce();
    db.exec("PRAGMA query_only = OFF");
    store.purge();
    expect(db.prepare("SELECT count(*) AS n FROM messages").get()!.n).toBe(0);
    store.close();
  });
});

describe("a database of the first version", () => {
  it("gets the new columns and keeps what it has", () => {
    const folder = testFolder();
    const store = openStore(folder);
    const id = chain(store, 4);
    const db = inside(store);
    db.exec(
      "ALTER TABLE messages DROP COLUMN tool_calls; ALTER TABLE messages DROP COLUMN slot; DROP TABLE defaults; PRAGMA user_version = 1",
    );
    store.close();
    const again = openStore(folder);
    expect(again.conversations.tree("local", id)!.messages).toHaveLength(4);
    again.presets.setDefaults("local", { model: "m" });
    expect(again.presets.defaults("local")).toEqual({ model: "m" });
    expect(again.presets.defaults("bob")).toEqual({});
    again.close();
  });
});

/** Lets the database grow no further, as a full disk does. */
const fill = (db: DatabaseSync) => {
  const { page_count: pages } = db.prepare("PRAGMA page_count").get()!;
  db.exec(`PRAGMA max_page_count = ${pages}`);
};
const free = (db: DatabaseSync) => db.exec("PRAGMA max_page_count = 1000000");

describe("a full disk", () => {
  it("while a reply ends: who watches is told, and it is stored when there is room", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const server = testServer({ pace: 30 });
    const { id } = await server.post("/api/conversations", {});
    const { replies } = await server.post(`/api/conversations/${id}/messages`, {
      parentId: null,
      content: "x".repeat(100_000),
    });
    fill(inside(server.store));
    const last = async () => {
      const answer = await (await server.get(`/api/messages/${replies[0].id}/events`)).text();
      return JSON.parse(answer.trim().split("\n").at(-1)!.slice(6));
    };
    for (const watcher of [await last(), await last()]) {
      expect(watcher).toMatchObject({ type: "done", message: { status: "done", unsaved: /full; free some space/ } });
      expect(watcher.message.content).toHaveLength(100_010);
    }
    expect(server.store.messages.get("local", replies[0].id)!.content.length).toBeLessThan(20);
    expect(log).toHaveBeenCalledOnce();
    free(inside(server.store));
    await expect.poll(() => server.store.messages.get("local", replies[0].id)!.status, { timeout: 5000 }).toBe("done");
    const { message } = await last();
    expect([message.content.length, message.unsaved]).toEqual([100_010, undefined]);
  });

  it("that stays full until the server ends is tried once more then", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const server = testServer({ pace: 10 });
    const { id } = await server.post("/api/conversations", {});
    const content = "x".repeat(100_000);
    const { replies } = await server.post(`/api/conversations/${id}/messages`, { parentId: null, content });
    fill(inside(server.store));
    await (await server.get(`/api/messages/${replies[0].id}/events`)).text();
    free(inside(server.store));
    await server.replies.close();
    expect(server.store.messages.get("local", replies[0].id)).toMatchObject({ status: "done" });
  });

  it("takes a message whole or not at all, and says what to do", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const server = testServer();
    const { id } = await server.post("/api/conversations", {});
    fill(inside(server.store));
    const answer = await server.send("POST", `/api/conversations/${id}/messages`, {
      parentId: null,
      content: "x".repeat(100_000),
    });
    expect(answer.status).toBe(507);
    expect(await answer.json()).toMatchObject({ error: { message: /full; free some space/, code: "store_full" } });
    free(inside(server.store));
    expect(server.store.conversations.tree("local", id)!.messages).toEqual([]);
  });

  it.each([
    [{ code: "ENOSPC" }, 507],
    [{ code: "ERR_SQLITE_ERROR", errcode: 13 }, 507],
    [{ code: "ERR_SQLITE_ERROR", errcode: 261 }, 503],
    [{ code: "ERR_SQLITE_ERROR", errcode: 778 }, 503],
    [{ code: "ERR_SQLITE_ERROR", errcode: 1 }, undefined],
    [{}, undefined],
  ])("and its kind have a status: %j is %s", (fields, status) => {
    expect(failureOf(Object.assign(new Error("no"), fields))?.status).toBe(status);
  });

  it("is not taken for another server when a folder is new", () => {
    const folder = testFolder();
    mkdirSync(join(folder, "server.lock"));
    expect(() => openStore(folder)).toThrow(/cannot be opened/);
  });
});

describe("a database that another process holds", () => {
  it("answers at once that it is busy, turns no key away, and stores replies afterwards", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const folder = testFolder();
    const store = openStore(folder);
    const { key } = store.keys.create("ada");
    const server = testServer({}, { store, requireKeys: true });
    const headers = { authorization: `Bearer ${key}` };
    const other = new DatabaseSync(join(folder, "shoal.db"));
    other.exec("BEGIN IMMEDIATE");
    const began = performance.now();
    for (let i = 0; i < 3; i++) {
      expect((await server.get("/v1/models", headers)).status).toBe(200);
      expect((await server.get("/api/conversations", headers)).status).toBe(200);
    }
    const refused = await server.send("POST", "/api/conversations", {}, headers);
    expect(performance.now() - began).toBeLessThan(1500);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(await refused.json()).toMatchObject({ error: { message: /another process holds/, code: "store_busy" } });
    other.exec("ROLLBACK");
    other.close();
    expect((await server.send("POST", "/api/conversations", {}, headers)).status).toBe(200);
  });
});
