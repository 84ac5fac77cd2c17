/** An upstream that answers what a test tells it, behind a server as people use it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, expect } from "vitest";
import { createUpstream, type UpstreamOptions } from "../upstream/upstream.ts";
import { events, testServer } from "./test-server.ts";

/** What the next answer is: pieces of a body, or a whole one, with its status and headers. */
export interface Script {
  status?: number;
  headers?: Record<string, string>;
  /** Sent one by one. */
  body: readonly string[];
  /** The connection is broken off instead of ended. */
  breaks?: boolean;
}

export type Scripted = Awaited<ReturnType<typeof scriptedUpstream>>;

export async function scriptedUpstream(options: Partial<UpstreamOptions> = {}) {
  const asked: { path: string; body: Record<string, unknown>; headers: IncomingMessage["headers"] }[] = [];
  const lines: string[] = [];
  let script: Script = { body: [] };
  let list: Script = { body: [JSON.stringify({ object: "list", data: [{ id: "m" }] })] };
  const http = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    asked.push({ path: request.url!, body: body ? JSON.parse(body) : {}, headers: request.headers });
    await play(request.method === "GET" ? list : script, response);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  afterAll(() => {
    http.closeAllConnections();
    http.close();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const onChange = (line: string) => lines.push(line);
  const { engine } = createUpstream({ url, name: "up", listMs: 0, onChange, ...options });
  const server = testServer({}, { engine });
  return {
    ...server,
    engine,
    url,
    /** Requests that came here. */
    asked,
    /** Lines of the log about this upstream. */
    lines,
    answers: (next: Script) => {
      script = next;
    },
    lists: (next: Script) => {
      list = next;
    },
    last: () => asked.findLast(({ path }) => path.endsWith("completions"))!,
  };
}

async function play({ status = 200, headers = {}, body, breaks }: Script, response: ServerResponse): Promise<void> {
  response.writeHead(status, headers);
  for (const piece of body) {
    if (!response.writable || response.socket?.destroyed !== false) return;
    response.write(piece);
    // A piece by itself, as from a server that has just made it.
    do await new Promise((resolve) => setImmediate(resolve));
    while (response.writableNeedDrain && response.socket?.destroyed === false);
  }
  if (breaks) response.destroy();
  else response.end();
}

export const EVENT_STREAM = { "content-type": "text/event-stream" };
export const JSON_BODY = { "content-type": "application/json" };

export const data = (value: unknown): string =>
  `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;

/** A streamed answer of these choices' deltas, with a reason and [DONE]. */
export function streamOf(deltas: readonly object[], finish: unknown = "stop", usage?: object): Script {
  const chunks = deltas.map((delta) => data({ choices: [{ index: 0, delta, finish_reason: null }] }));
  const end = data({ choices: [{ index: 0, delta: {}, finish_reason: finish }], ...(usage && { usage }) });
  return { headers: EVENT_STREAM, body: [...chunks, end, data("[DONE]")] };
}

/** An answer at once. */
export function wholeOf(message: unknown, finish: unknown = "stop", usage?: object): Script {
  return {
    headers: JSON_BODY,
    body: [JSON.stringify({ choices: [{ index: 0, message, finish_reason: finish }], ...(usage && { usage }) })],
  };
}

export const CHAT = "/v1/chat/completions";
export const HELLO = { model: "m", messages: [{ role: "user", content: "Hi" }] };
export const words = (content: string) => ({ content });

export interface Answer {
  status: number;
  content: string;
  reasoning: string;
  calls: { id: string; name: string; arguments: string }[];
  finish: string | null;
  error: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every form
  usage: any;
}

export type Want = Partial<Omit<Answer, "calls">> & { calls?: [name: string, args: string][] };

/** Ways to ask for what an upstream answers, as a client of this server. */
export function asking(up: Pick<Scripted, "answers" | "send">) {
  /** Asks for an answer at once. */
  async function whole(script: Script, more: object = {}): Promise<Answer> {
    up.answers(script);
    const answer = await up.send("POST", CHAT, { ...HELLO, ...more });
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every form
    const body = (await answer.json()) as any;
    const { message, finish_reason: finish = null } = body.choices?.[0] ?? {};
    return {
      status: answer.status,
      content: message?.content ?? "",
      reasoning: message?.reasoning_content ?? "",
      calls: (message?.tool_calls ?? []).map((call: { id: string; function: object }) => ({
        id: call.id,
        ...call.function,
      })),
      finish,
      error: body.error?.message ?? null,
      usage: body.usage,
    };
  }

  /** Asks for a stream, and puts it together as a client does: by the index of each call. */
  async function streamed(script: Script, more: object = {}): Promise<Answer> {
    up.answers(script);
    const answer = await up.send("POST", CHAT, {
      ...HELLO,
      stream: true,
      stream_options: { include_usage: true },
      ...more,
    });
    const got: Answer = {
      status: answer.status,
      content: "",
      reasoning: "",
      calls: [],
      finish: null,
      error: null,
      usage: null,
    };
    const chunks = answer.status === 200 ? await events(answer) : [await answer.json()];
    for (const chunk of chunks) {
      if (chunk === "[DONE]") continue;
      got.error ??= chunk.error?.message ?? null;
      got.usage = chunk.usage ?? got.usage;
      const { delta = {}, finish_reason } = chunk.choices?.[0] ?? {};
      got.finish ??= finish_reason ?? null;
      got.content += delta.content ?? "";
      got.reasoning += delta.reasoning_content ?? "";
      for (const { index, id, function: made } of delta.tool_calls ?? []) {
        got.calls[index] ??= { id, name: made.name, arguments: "" };
        got.calls[index].arguments += made.arguments;
      }
    }
    return got;
  }

  /** The same, asked for at once and as a stream. */
  async function expectBoth(script: Script, want: Want): Promise<void> {
    for (const ask of [whole, streamed]) {
      const got = await ask(script);
      const { calls = [], ...rest } = want;
      expect(got, ask.name).toMatchObject({ status: 200, error: null, content: "", reasoning: "", ...rest });
      expect(
        got.calls.map(({ name, arguments: args }) => [name, args]),
        ask.name,
      ).toEqual(calls);
      expect(new Set(got.calls.map(({ id }) => id)).size).toBe(calls.length);
      for (const { id } of got.calls) expect(id).toMatch(/^.+$/);
    }
  }

  return { whole, streamed, expectBoth };
}
