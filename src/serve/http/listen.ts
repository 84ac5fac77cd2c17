/** The socket: limits against slow and broken clients, and an orderly end. */
import { createServer as createHttpServer, type Server as HttpServer, STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { InputError } from "../../base/index.ts";
import type { Engine } from "../../infer/index.ts";
import type { Server } from "../app.ts";
import type { Store } from "../store/store.ts";
import { ApiFailure } from "./errors.ts";

export interface ListenOptions {
  server: Server;
  engine: Engine;
  store: Store;
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 3000; 0: any that is free. */
  port?: number;
  /** Milliseconds for the headers and for the whole request; connections; for tests. */
  limits?: Partial<typeof SOCKET_LIMITS>;
}

export interface Listening {
  url: string;
  port: number;
  /** Takes no more requests, ends what runs with a note, stores and closes everything. */
  close(): Promise<void>;
}

export const SOCKET_LIMITS = {
  headersMs: 15_000,
  requestMs: 120_000,
  keepAliveMs: 10_000,
  /** For which a client may take nothing of what is sent to it. */
  stallMs: 120_000,
  connections: 2048,
  headerBytes: 32 << 10,
  /** How long answers may take to end when the server stops. */
  closeMs: 3_000,
};

/** How often deleted conversations are removed for good. */
const PURGE_MS = 10 * 60_000;

/** @throws InputError if the port is taken or the address is not this machine's */
export async function serve({
  server,
  engine,
  store,
  host = "127.0.0.1",
  port = 3000,
  ...rest
}: ListenOptions): Promise<Listening> {
  const limits = { ...SOCKET_LIMITS, ...rest.limits };
  const http = createHttpServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: Math.min(5000, limits.headersMs),
      maxHeaderSize: limits.headerBytes,
    },
    getRequestListener(server.app.fetch, { overrideGlobalObjects: false }),
  );
  http.maxConnections = limits.connections;
  http.on("clientError", answerBroken);
  dropStalled(http, limits.stallMs);
  await listen(http, host, port);
  const purge = setInterval(() => store.purge(), PURGE_MS);
  purge.unref();
  const bound = http.address() as AddressInfo;
  const name = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${name}:${bound.port}`,
    port: bound.port,
    async close() {
      clearInterval(purge);
      const closed = new Promise((resolve) => http.close(resolve));
      await server.replies.close();
      await engine.close();
      // Connections whose answer has ended would be kept for a next request.
      const idle = setInterval(() => http.closeIdleConnections(), 20);
      const force = setTimeout(() => http.closeAllConnections(), limits.closeMs);
      await closed;
      clearInterval(idle);
      clearTimeout(force);
      store.close();
    },
  };
}

/** Ends connections whose client has stopped to read. One that waits for an answer, with nothing on its way, stays. */
export function dropStalled(http: HttpServer, ms: number): void {
  const answering = new WeakSet<Socket>();
  http.timeout = ms;
  http.on("request", ({ socket }, response) => {
    answering.add(socket);
    response.once("close", () => answering.delete(socket));
  });
  http.on("timeout", (socket) => {
    if (answering.has(socket) && socket.writableLength === 0) socket.setTimeout(ms);
    else socket.destroy();
  });
}

async function listen(http: HttpServer, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      http.once("error", reject);
      http.listen(port, host, resolve);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new InputError(`port ${port} of ${host} is taken; stop what uses it, or choose another with --port`);
    if (code === "EACCES")
      throw new InputError(`port ${port} needs rights that you lack; choose one above 1023 with --port`);
    throw new InputError(`${host}:${port}: cannot listen there (${code}); --host takes an address of this machine`);
  }
}

/** What Node refuses before it is a request gets an answer in the shape of all others. */
function answerBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const [status, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "the headers are too large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "the request took too long to arrive"]
        : [400, "this is no HTTP request"];
  const body = JSON.stringify(new ApiFailure(status as number, message as string).body);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
