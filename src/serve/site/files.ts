/** The built site's files, and the card of the default model. */
import { constants, existsSync, lstatSync, readFileSync } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveStatic } from "@hono/node-server/serve-static";
import type { MiddlewareHandler } from "hono";
import { html } from "hono/html";
import { ApiFailure } from "../http/errors.ts";
import type { App } from "../http/http.ts";
import type { Welcome } from "../wire.ts";

/** From src/serve/site (a clone) and from dist/serve/site (installed) alike. */
const BUILT = fileURLToPath(new URL("../../../dist/web", import.meta.url));

export interface Card {
  welcome: Welcome;
  /** The folder whose README.md is the model's card; null: there is none. */
  folder: string | null;
}

const README = "README.md";
/** Bytes of a card. */
const MAX_CARD = 1 << 20;

/** Minnow tells what it is; of any other model its card does. */
export function cardOf(model: { id: string; dir: string } | null): Card {
  if (model === null) return { welcome: { model: null, lines: [], card: false, examples: [] }, folder: null };
  const path = join(model.dir, README);
  // A model in one file has no folder to look into.
  const folder = existsSync(path) && lstatSync(path).isFile() ? model.dir : null;
  const welcome = { model: model.id, lines: [], card: folder !== null, examples: [] };
  if (model.id !== "minnow") return { welcome, folder };
  return {
    welcome: {
      ...welcome,
      lines: [
        "This is Minnow, a very small DeepSeek-V3 that Shoal trained from scratch on two CPU cores.",
        "It works out sums, solves word problems, writes small JavaScript functions and talks a little.",
        "It cannot be relied on: it knows little and makes things up.",
      ],
      examples: [
        "Tell me a story about a mouse and a lantern.",
        "What is 24 x 51?",
        "What do bears eat?",
        "Describe a snowy day in three sentences.",
      ],
    },
    folder,
  };
}

/**
 * The card's text, without the fields for the hub that it begins with. A folder of a model may come from anybody: only a regular file that lies in
 * it is read, and none that is larger than a card.
 * @throws ApiFailure 404 where there is no such card
 */
export async function readCard(folder: string | null): Promise<string> {
  const text = folder && (await regularFile(folder, README, MAX_CARD));
  if (text === null) throw new ApiFailure(404, "this model has no card", { code: "not_found" });
  return text.replace(/^---\r?\n[\s\S]*?\n---\r?\n/, "");
}

/** A file's text, or null: it is missing, too large, a device or pipe, or leads out of its folder. */
async function regularFile(folder: string, name: string, maxBytes: number): Promise<string | null> {
  let file: FileHandle | null = null;
  try {
    const path = await realpath(join(folder, name));
    if (dirname(path) !== (await realpath(folder))) return null;
    // Opening a pipe would wait for its other end.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0));
    const stat = await file.stat();
    const { size } = stat;
    if (!stat.isFile() || size > maxBytes) return null;
    const bytes = Buffer.alloc(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    return bytes.toString("utf8", 0, bytesRead);
  } catch {
    return null;
  } finally {
    await file?.close();
  }
}

export function addSite(app: App, folder = BUILT): void {
  // The card was a page of its own once; it is one of the site's.
  app.get("/card", (c) => c.redirect("./#/card"));
  // The site may be built while the server runs.
  let files: MiddlewareHandler | null = null;
  app.get("/*", async (c, next) => {
    if (!files && existsSync(folder)) files = serveStatic({ root: folder });
    if (!files) return await next();
    const answer = await files(c, next);
    // Without a file it has gone on to the next route.
    if (!(answer instanceof Response)) return;
    // Files below assets/ have their content's hash in their names.
    const hashed = c.req.path.startsWith("/assets/");
    answer.headers.set("cache-control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
    return answer;
  });
  // Any other page is the site's: it finds its way itself.
  app.get("/*", async (c, next) => {
    const wantsPage = (c.req.header("accept") ?? "text/html").includes("text/html");
    if (!wantsPage || /^\/(api|v1|assets)\//.test(c.req.path)) return await next();
    c.header("cache-control", "no-cache");
    const index = join(folder, "index.html");
    return existsSync(index) ? c.html(readFileSync(index, "utf8")) : c.html(missing(), 503);
  });
}

const missing = () => html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Shoal</title>
<link rel="stylesheet" href="/docs.css">
<main>
<h1>The chat site is not built</h1>
<p>The API is here: <a href="/docs">its reference</a>. To build the site, run <code>npm start</code> (or <code>node scripts/setup.mjs</code>) in the folder of Shoal, and load this page again.</p>
</main>
</html>`;
