/** A server over the fake engine, in a folder of its own, for tests of the routes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { createServer, type Server, type ServerOptions } from "../app.ts";
import { openStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { FakeEngine, type FakeOptions } from "./fake-engine.ts";

export interface TestServer extends Server {
  engine: FakeEngine;
  store: Store;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** Sends a body as JSON (a string as it stands). */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Posts, expects a 200, and gives the answer. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every form
  post(path: string, body: unknown): Promise<any>;
}

/** A folder that is removed after the tests of the file. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "shoal-serve-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function testServer(fake: FakeOptions = {}, options: Partial<ServerOptions> = {}): TestServer {
  const engine = new FakeEngine(fake);
  const store = options.store ?? openStore(testFolder());
  const server = createServer({ engine, store, ...options });
  afterAll(async () => {
    await server.replies.close();
    store.close();
  });
  const send: TestServer["send"] = async (method, path, body, headers = {}) =>
    await server.app.request(path, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return {
    ...server,
    engine,
    store,
    get: async (path, headers = {}) => await server.app.request(path, { headers }),
    send,
    async post(path, body) {
      const answer = await send("POST", path, body);
      const json = await answer.json();
      if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(json)}`);
      return json;
    },
  };
}

/** The data of each event of a stream; [DONE] as it stands. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every form
export async function events(answer: Response): Promise<any[]> {
  const text = await answer.text();
  return text
    .split("\n\n")
    .flatMap((event) => event.split("\n").filter((line) => line.startsWith("data: ")))
    .map((line) => (line === "data: [DONE]" ? "[DONE]" : JSON.parse(line.slice(6))));
}

/** All that an iteration gives. */
export async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
