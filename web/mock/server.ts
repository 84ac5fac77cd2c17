/**
 * A server for the site without a model: the API of src/serve/wire.ts over a store in memory, and dist/web under the strictest policy that the
 * site must live with. Tests drive it from their own process: they fill its store, cut its connections, kill and restart it.
 */
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";
import { getMimeType } from "hono/utils/mime";
import { Replies } from "./replies.ts";
import { apiRoutes, fail } from "./routes.ts";
import { Store } from "./store.ts";

export const POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/** The files of the built site. */
function addSite(app: Hono, site: string): void {
  app.get("*", async (c) => {
    const path = normalize(c.req.path === "/" ? "/index.html" : c.req.path);
    const body = await readFile(join(site, path)).catch(() => null);
    if (!body) return fail(c, 404, "Not found.");
    return c.body(new Uint8Array(body), 200, {
      "content-type": getMimeType(path) ?? "application/octet-stream",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
    });
  });
}

export interface Mock {
  url: string;
  store: Store;
  replies: Replies;
  /** Ends every connection, as a kill would, and is away until `start`. */
  kill: () => Promise<void>;
  start: () => Promise<void>;
  close: () => Promise<void>;
}

/** @param site the folder of the built site */
export async function startMock(site: string, options: { port?: number; key?: string } = {}): Promise<Mock> {
  const store = new Store();
  const replies = new Replies(store);
  const app = apiRoutes(store, replies, options.key ?? null);
  addSite(app, site);
  let port = options.port ?? 0;
  let server: ServerType | null = null;
  const start = (): Promise<void> =>
    new Promise((resolve) => {
      server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, (address: AddressInfo) => {
        port = address.port;
        resolve();
      });
    });
  const kill = async (): Promise<void> => {
    const old = server;
    server = null;
    replies.interrupt();
    await new Promise<void>((resolve) => {
      if (!old) return resolve();
      old.close(() => resolve());
      if ("closeAllConnections" in old) old.closeAllConnections();
    });
  };
  await start();
  return { url: `http://127.0.0.1:${port}`, store, replies, kill, start, close: kill };
}
