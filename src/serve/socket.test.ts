/** Clients as no library would be: slow, broken, half gone. */
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { dropStalled, type Listening, type ListenOptions, serve } from "./http/listen.ts";
import type { FakeOptions } from "./testing/fake-engine.ts";
import { type TestServer, testServer } from "./testing/test-server.ts";

async function listening(
  fake: FakeOptions = {},
  limits: ListenOptions["limits"] = {},
): Promise<TestServer & Listening> {
  const server = testServer(fake);
  const bound = await serve({ server, engine: server.engine, store: server.store, port: 0, limits });
  afterAll(() => bound.close());
  return { ...server, ...bound };
}

/** Sends bytes and gives all that comes until the other side ends. */
function raw(port: number, send: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (piece) => {
      text += piece;
    });
    socket.on("error", () => resolve(text));
    socket.on("close", () => resolve(text));
    socket.on("connect", () => send(socket));
  });
}

const request = (body: string, headers = "", length = Buffer.byteLength(body)) =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nConnection: close\r\n${headers}\r\n${body}`;

const hello = JSON.stringify({ messages: [{ role: "user", content: "Hello" }] });
const stream = JSON.stringify({
  stream: true,
  messages: [{ role: "user", content: "one two three four five six seven eight" }],
});

/** Status and the error of an answer. */
function parsed(answer: string): { status: number; error: { message: string; type: string } } {
  const body = answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1);
  return { status: Number(answer.split(" ")[1]), error: JSON.parse(body).error };
}

describe("a socket", () => {
  it("gets an answer", async () => {
    const { port } = await listening();
    expect(await raw(port, (socket) => socket.write(request(hello)))).toMatch(
      /^HTTP\/1.1 200 OK[\s\S]*You said: Hello/,
    );
  });

  it.each([
    ["nonsense", "HELLO\r\n\r\n", 400],
    ["a wrong length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400],
    ["two lengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["no host", "GET /v1/models HTTP/1.1\r\n\r\n", 400],
    ["vast headers", `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(64 << 10)}\r\n\r\n`, 431],
  ])("with %s gets an error in the right shape", async (_, text, status) => {
    const { port } = await listening();
    const answer = await raw(port, (socket) => socket.write(text));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (status !== 400 || answer.includes("{"))
      expect(parsed(answer)).toMatchObject({ status, error: { type: "invalid_request_error" } });
  });

  it.each([
    ["headers that never end", "GET / HTTP/1.1\r\nHost: localhost\r\n"],
    ["a body that never comes", request("", "", 100).replace("\r\n\r\n", "\r\n\r\n{")],
  ])("with %s is closed", async (_, text) => {
    const { port } = await listening({}, { headersMs: 100, requestMs: 150 });
    expect(parsed(await raw(port, (socket) => socket.write(text)))).toMatchObject({ status: 408 });
  });

  it("that leaves in the middle of its body, or of the answer, leaves nothing behind", async () => {
    const { port, engine } = await listening({ pace: 15 });
    await raw(port, (socket) => socket.write(request(hello, "", 1000), () => socket.destroy()));
    const sockets = Array.from({ length: 8 }, () =>
      raw(port, (socket) => {
        socket.write(request(stream));
        socket.once("data", () => socket.destroy());
      }),
    );
    await Promise.all(sockets);
    await expect.poll(() => engine.running).toBe(0);
    expect(engine.aborted).toBe(8);
  });

  it("that leaves before the answer begins, ends the work", async () => {
    const { port, engine } = await listening({ pace: 10_000 });
    const sockets: Socket[] = [];
    const all = [hello, stream].map((body) =>
      raw(port, (socket) => {
        sockets.push(socket);
        socket.write(request(body));
      }),
    );
    await expect.poll(() => engine.running).toBe(2);
    for (const socket of sockets) socket.destroy();
    await Promise.all(all);
    await expect.poll(() => engine.running).toBe(0);
  });

  it("that is half closed is taken for one that has left: what is asked last is not worked on", async () => {
    const { port, engine } = await listening({ pace: 10_000 });
    for (const body of [hello, stream]) await raw(port, (socket) => socket.end(request(body)));
    await raw(port, (socket) => socket.end(request(hello, "", 1000)));
    await expect.poll(() => engine.running).toBe(0);
    expect(engine.aborted).toBe(2);
  });

  it("that reads nothing of its answer is dropped; one that waits for its answer is not", async () => {
    const most = 64 << 20;
    const http = createServer((incoming, response) => {
      if (incoming.url === "/late") return void setTimeout(() => response.end("late"), 400);
      response.end(Buffer.alloc(most));
    });
    dropStalled(http, 100);
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as AddressInfo;
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const late = raw(port, (socket) => socket.write(get("/late")));
    const stuck = connect(port, "127.0.0.1");
    const closed = new Promise((resolve) => stuck.on("close", resolve).on("error", () => {}));
    stuck.pause();
    stuck.write(get("/large"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    // What the system had taken already comes; then the connection is gone.
    let came = 0;
    stuck.on("data", (piece) => {
      came += piece.length;
    });
    stuck.resume();
    await closed;
    expect(came).toBeLessThan(most);
    expect(await late).toMatch(/late$/);
    http.close();
  });

  it("that sends too much is told so, and the server goes on", async () => {
    const { port } = await listening();
    const answer = await raw(port, (socket) => {
      socket.write(request("{", "", 100 << 20));
      for (let i = 0; i < 64; i++) socket.write("x".repeat(1 << 20));
    });
    if (answer !== "") expect(parsed(answer)).toMatchObject({ status: 413 });
    expect(await raw(port, (socket) => socket.write(request(hello)))).toMatch(/You said/);
  });
});

describe("the end of the server", () => {
  it("ends streams with a note, replies as interrupted, and takes no more", async () => {
    const server = await listening({ pace: 100 });
    const conversation = await server.post("/api/conversations", {});
    const sent = await server.post(`/api/conversations/${conversation.id}/messages`, {
      parentId: null,
      content: "one two three four five",
    });
    const reply = sent.replies[0].id;
    const watched = raw(server.port, (socket) =>
      socket.write(`GET /api/messages/${reply}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    const streamed = raw(server.port, (socket) => socket.write(request(stream)));
    await expect.poll(() => server.engine.running).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.close();
    expect(await watched).toMatch(/"type":"done","message".*"status":"interrupted"/);
    expect(await streamed).toMatch(/the server is stopping/);
    expect(await raw(server.port, (socket) => socket.write(request(hello)))).toBe("");
  });

  it("is quick though a client does not read", async () => {
    const server = await listening({ pace: 5 }, { closeMs: 200 });
    const stuck = connect(server.port, "127.0.0.1");
    stuck.on("error", () => {});
    stuck.pause();
    stuck.write(request(stream));
    await expect.poll(() => server.engine.running).toBe(1);
    await server.close();
    stuck.destroy();
  });
});

describe("a port", () => {
  it("that is taken is named", async () => {
    const { port } = await listening();
    const server = testServer();
    await expect(serve({ server, engine: server.engine, store: server.store, port })).rejects.toThrow(
      `port ${port} of 127.0.0.1 is taken; stop what uses it, or choose another with --port`,
    );
  });

  it("of another machine is none", async () => {
    const server = testServer();
    await expect(
      serve({ server, engine: server.engine, store: server.store, host: "192.0.2.1", port: 0 }),
    ).rejects.toThrow(/cannot listen there/);
  });
});
