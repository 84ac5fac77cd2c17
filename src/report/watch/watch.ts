/** The live page's server: one page, and a stream of the parts of it that have changed. Reads the run's folder only, so it works from any process. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { InputError } from "../../base/index.ts";
import type { Prices } from "../ledger/figures.ts";
import { figuresToJson } from "../ledger/figures-json.ts";
import { RunReader } from "../ledger/view.ts";
import { documentOf, policyOf } from "../page/document.ts";
import { type LiveView, livePage, liveView } from "../page/live-page.ts";

export interface WatchOptions {
  /** The run's folder; it need not be there yet. */
  dir: string;
  /** Left out or true: 4100, or any free one where that is taken. */
  port?: number | true;
  /** Default: 127.0.0.1. */
  host?: string;
  prices?: Prices;
  /** Milliseconds between looks at the ledger while somebody watches. */
  pollMs?: number;
}

export interface Watch {
  url: string;
  close: () => Promise<void>;
}

export const WATCH_LIMITS = { clients: 32 };

const DEFAULT_PORT = 4100;
/** Where nothing is new, parts are made again this often: "running" becomes "not finished" in silence. */
const REFRESH_MS = 10_000;
/** Silence after which a comment is sent, so that no one in between takes the connection for dead. */
const BEAT_MS = 15_000;

/** Serves the live page. @throws InputError where the port cannot be had */
export async function watchRun({
  dir,
  port = true,
  host = "127.0.0.1",
  prices,
  pollMs = 1000,
}: WatchOptions): Promise<Watch> {
  const feed = new Feed(new RunReader(dir, prices), pollMs);
  const page = livePage();
  const document = documentOf(page);
  const policy = `${policyOf(page)}; frame-ancestors 'none'`;
  const server = createServer((request, response) => {
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Referrer-Policy", "no-referrer");
    response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
    if (!isOwnName(request, host)) return end(response, 403, "this page answers to its own name only");
    if (request.method !== "GET") return end(response, 405, "only GET");
    switch (request.url) {
      case "/":
        response.setHeader("Content-Security-Policy", policy);
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        return end(response, 200, document);
      case "/events":
        return feed.join(response);
      case "/figures.json":
        return feed.figures(response);
      default:
        return end(response, 404, "nothing here; the page is /");
    }
  });
  await listen(server, host, port);
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${(server.address() as AddressInfo).port}/`,
    async close() {
      feed.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number | true): Promise<void> {
  const attempt = (at: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(at, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  try {
    await attempt(port === true ? DEFAULT_PORT : port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (port === true && code === "EADDRINUSE") return attempt(0);
    throw new InputError(`--watch ${port}: the port cannot be had on ${host} (${code}); name another`);
  }
}

/** Another site's name that points to this machine must not read the page (DNS rebinding). */
function isOwnName({ headers }: IncomingMessage, host: string): boolean {
  if (!["127.0.0.1", "localhost", "::1"].includes(host)) return true;
  const name = (headers.host ?? "").replace(/:\d+$/, "");
  return ["127.0.0.1", "localhost", "[::1]"].includes(name);
}

function end(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status;
  if (!response.hasHeader("Content-Type")) response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(body);
}

interface Client {
  response: ServerResponse;
  /** What it has been sent, by part. */
  sent: Map<string, string>;
  sentAt: number;
  /** It reads slower than the page changes: it waits until what it has is through. */
  full: boolean;
}

/** Looks at the run while anybody watches, and sends each watcher what has changed for it. */
class Feed {
  private readonly reader: RunReader;
  private readonly pollMs: number;
  private readonly clients = new Set<Client>();
  private timer: NodeJS.Timeout | null = null;
  private view: LiveView | null = null;
  private key = "";

  constructor(reader: RunReader, pollMs: number) {
    this.reader = reader;
    this.pollMs = pollMs;
  }

  figures(response: ServerResponse): void {
    try {
      const figures = JSON.stringify(figuresToJson(this.reader.read().figures));
      response.setHeader("Content-Type", "application/json");
      end(response, 200, figures);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      end(response, 503, error.message);
    }
  }

  join(response: ServerResponse): void {
    if (this.clients.size >= WATCH_LIMITS.clients) {
      end(response, 503, "too many are watching");
      return;
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("retry: 1000\n\n");
    const client: Client = { response, sent: new Map(), sentAt: 0, full: false };
    this.clients.add(client);
    response.on("close", () => this.clients.delete(client));
    response.on("drain", () => {
      client.full = false;
    });
    this.look();
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    for (const { response } of this.clients) response.end();
    this.clients.clear();
  }

  private look(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.clients.size === 0) return;
    this.refresh();
    for (const client of this.clients) this.send(client);
    this.timer = setTimeout(() => this.look(), this.pollMs);
  }

  private refresh(): void {
    const now = Date.now();
    try {
      const run = this.reader.read(now);
      const key = [run.writtenAt, run.folder.finished, Math.floor(now / REFRESH_MS)].join();
      if (this.view && key === this.key) return;
      this.key = key;
      this.view = liveView(run);
    } catch (error) {
      // A recipe that is being written; the page stays as it was until it can be read.
      if (!(error instanceof InputError)) throw error;
    }
  }

  private send(client: Client): void {
    const { view } = this;
    const now = Date.now();
    if (client.full) return;
    const parts = view ? [...view.parts].filter(([id, text]) => client.sent.get(id) !== text) : [];
    if (view && parts.length > 0) {
      const { title, writtenAt } = view;
      const data = JSON.stringify({ title, writtenAt, now, parts: Object.fromEntries(parts) });
      client.full = !client.response.write(`event: view\ndata: ${data}\n\n`);
      for (const [id, text] of parts) client.sent.set(id, text);
      client.sentAt = now;
    } else if (now - client.sentAt > BEAT_MS) {
      client.full = !client.response.write(": still here\n\n");
      client.sentAt = now;
    }
  }
}
