/** shoal serve and shoal keys as processes: killed, stopped, refused, one in front of another. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Conversation, ConversationTree, Message } from "../src/serve/wire.ts";
import { type Serving, startServing } from "./serving.ts";
import { shoal } from "./shoal.ts";
import { startTide } from "./tide.ts";
import { temporaryFolder } from "./tiny.ts";

async function call<Answer>(
  { url }: Serving,
  method: string,
  path: string,
  body?: unknown,
  key?: string,
): Promise<Answer> {
  const answer = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

/** Begins a long reply. */
async function begin(server: Serving, model?: string): Promise<{ conversation: string; reply: string }> {
  const settings = { model, maxTokens: 900, temperature: 1.5 };
  const { id } = await call<Conversation>(server, "POST", "/api/conversations", { settings });
  const { replies } = await call<{ replies: Message[] }>(server, "POST", `/api/conversations/${id}/messages`, {
    parentId: null,
    content: "Tell me a very long story.",
  });
  return { conversation: id, reply: replies[0].id };
}

const stored = (folder: string): Message[] => {
  const db = new DatabaseSync(join(folder, "shoal.db"), { readOnly: true });
  const rows = db.prepare("SELECT id, content, status, role FROM messages ORDER BY seq").all();
  db.close();
  return rows as unknown as Message[];
};

describe("a server that is killed in the middle of streams", () => {
  it("has all that was stored when it comes back, and says what happened", async () => {
    const folder = temporaryFolder();
    // Minnow would be done before anybody could kill it.
    const tide = await startTide();
    onTestFinished(() => tide.server.closeAllConnections());
    onTestFinished(() => void tide.server.close());
    const args = ["--data-dir", folder, "--upstream", tide.url];
    const server = await startServing(args);
    const begun = await Promise.all(Array.from({ length: 4 }, () => begin(server, "tide")));
    const streams = begun.map(({ reply }) =>
      fetch(`${server.url}/api/messages/${reply}/events`)
        .then((answer) => answer.text())
        .catch(() => ""),
    );
    await expect
      .poll(() => stored(folder).filter(({ status, content }) => status === "streaming" && content !== "").length, {
        interval: 5,
      })
      .toBe(4);
    const before = stored(folder);
    expect(await server.end("SIGKILL")).toBeNull();
    await Promise.all(streams);

    const again = await startServing(args);
    const db = new DatabaseSync(join(folder, "shoal.db"), { readOnly: true });
    expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    db.close();
    const after = new Map(stored(folder).map((message) => [message.id, message]));
    for (const { id, content, status } of before) {
      expect(after.get(id)!.content.startsWith(content)).toBe(true);
      if (status === "streaming") expect(after.get(id)!.status).toBe("interrupted");
    }
    const { conversation, reply } = begun[0];
    const tree = await call<ConversationTree>(again, "GET", `/api/conversations/${conversation}`);
    expect(tree.messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
    const events = await (await fetch(`${again.url}/api/messages/${reply}/events`)).text();
    expect(events).toMatch(/"type":"done"/);
    await call(again, "POST", `/api/messages/${reply}/continue`, {});
    await call(again, "POST", `/api/messages/${reply}/stop`, {});
    expect(again.errors()).toBe("");
  });
});

describe("Ctrl-C", () => {
  it("ends streams with a note, stores replies as interrupted, and exits with 0", async () => {
    const folder = temporaryFolder();
    const server = await startServing(["--data-dir", folder]);
    const { reply } = await begin(server);
    const body = { stream: true, max_tokens: 900, ignore_eos: true, messages: [{ role: "user", content: "Go on." }] };
    const streamed = fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = (await streamed).text();
    const watched = (await fetch(`${server.url}/api/messages/${reply}/events`)).text();
    expect(await server.end("SIGINT")).toBe(0);
    expect(await text).toMatch(/the server is stopping/);
    expect(await watched).toMatch(/"type":"done"/);
    expect(stored(folder).map(({ status }) => status)).toEqual(["done", expect.stringMatching(/^(interrupted|done)$/)]);
    expect(server.errors()).toBe("");
  });
});

describe("one line says what is wrong", () => {
  const refused = async (args: string[], message: RegExp, code = 1) => {
    const ended = await shoal(["serve", "--json", ...args]);
    expect({ code: ended.code, out: ended.out }).toEqual({ code, out: "" });
    expect(ended.errors).toMatch(message);
    expect(ended.errors.trim().split("\n")).toHaveLength(1);
  };

  it("with a port that is taken, or a folder that another server has", async () => {
    const folder = temporaryFolder();
    const server = await startServing(["--data-dir", folder]);
    await refused(["--data-dir", folder, "--port", "0"], /another shoal serve has this data folder/);
    const port = new URL(server.url).port;
    await refused(["--data-dir", temporaryFolder(), "--port", port], new RegExp(`port ${port} of 127.0.0.1 is taken`));
  });

  it.each([
    [
      ["--host", "0.0.0.0", "--port", "0"],
      /--host 0\.0\.0\.0 demands API keys, and there are none; make one with: shoal keys create NAME/,
    ],
    [["--require-keys", "--port", "0"], /--require-keys demands API keys/],
    [["--model", "nowhere"], /nowhere/],
    [["--upstream", "nowhere"], /--upstream nowhere: give an address/],
    [
      ["--upstream", "http://127.0.0.1:1", "--upstream-key-env", "NO_SUCH_KEY"],
      /NO_SUCH_KEY: there is no such variable/,
    ],
  ])("with %j", async (args, message) => {
    await refused(["--data-dir", temporaryFolder(), ...args], message);
  });
});

describe("keys", () => {
  it("are made, listed and revoked beside a running server, which heeds them at once", async () => {
    const folder = temporaryFolder();
    const data = ["--data-dir", folder];
    const made = await shoal(["keys", "create", "ada", ...data]);
    expect(made).toMatchObject({ code: 0, errors: expect.stringMatching(/^Key [\da-f]{8} of ada/) });
    const key = made.out.trim();
    const server = await startServing(["--require-keys", ...data]);
    await expect(call(server, "GET", "/v1/models")).rejects.toThrow("401");
    expect(await call(server, "GET", "/v1/models", undefined, key)).toMatchObject({ object: "list" });
    const { keys } = JSON.parse((await shoal(["keys", "list", "--json", ...data])).out);
    expect(keys).toMatchObject([{ name: "ada", lastUsedAt: expect.any(Number), revokedAt: null }]);
    expect((await shoal(["keys", "revoke", keys[0].id, ...data])).code).toBe(0);
    await expect(call(server, "GET", "/v1/models", undefined, key)).rejects.toThrow("401");
    expect((await shoal(["keys", "revoke", "abc", ...data])).errors).toMatch(/abc: no key in force has this id/);
    expect((await shoal(["keys", "create", "a b", ...data])).errors).toMatch(/a name is/);
    expect((await shoal(["keys", "list", ...data])).out).not.toContain(key.slice(9));
  });
});

describe("a server in front of another", () => {
  it("has the other's models beside its own, and hides the key", async () => {
    const behindFolder = temporaryFolder();
    const { key } = JSON.parse(
      (await shoal(["keys", "create", "front", "--json", "--data-dir", behindFolder])).out,
    ) as { key: string };
    const behind = await startServing(["--require-keys", "--data-dir", behindFolder]);
    const name = new URL(behind.url).host;
    const front = await startServing(
      [
        "--upstream",
        behind.url,
        "--upstream-key-env",
        "BEHIND_KEY",
        "--model",
        "models/minnow",
        "--data-dir",
        temporaryFolder(),
      ],
      { BEHIND_KEY: key },
    );
    const { data } = await call<{ data: { id: string; owned_by: string }[] }>(front, "GET", "/v1/models");
    expect(data).toMatchObject([
      { id: "minnow", owned_by: "local" },
      { id: `${name}/minnow`, owned_by: name },
    ]);
    const ask = (model: string, more: object = {}) =>
      call<{ choices: object[] }>(front, "POST", "/v1/chat/completions", {
        ...{ model, max_tokens: 8, temperature: 0, logprobs: true, top_logprobs: 2, ...more },
        messages: [{ role: "user", content: "Hello" }],
      });
    const [own, through] = [await ask("minnow"), await ask(`${name}/minnow`)];
    expect(through.choices).toEqual(own.choices);
    await expect(ask(`${name}/minnow`, { logit_bias: { 99999: 1 } })).rejects.toThrow(/400.*answered 400/);
    expect(await behind.end("SIGTERM")).toBe(0);
    await expect(ask(`${name}/minnow`)).rejects.toThrow(/50[23]|404/);
    expect((await ask("minnow")).choices).toEqual(own.choices);
  });
});
