/** The built site's files, and the card of the default model. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveStatic } from "@hono/node-server/serve-static";
import type { MiddlewareHandler } from "hono";
import { html } from "hono/html";
import type { App } from "../http/http.ts";
import type { Info } from "../wire.ts";

/** From src/serve/site (a clone) and from dist/serve/site (installed) alike. */
const BUILT = fileURLToPath(new URL("../../../dist/web", import.meta.url));

export interface Card {
  welcome: Info["welcome"];
  /** The model's own README.md, where its folder has one. */
  path: string | null;
}

/** Minnow tells what it is; of any other model its card does. */
export function cardOf(model: { id: string; dir: string } | null): Card {
  const readme = model && join(model.dir, "README.md");
  const path = readme && existsSync(readme) ? readme : null;
  const card = path && "/card";
  if (model === null) return { welcome: { lines: [], card, examples: [] }, path };
  if (model.id !== "minnow") return { welcome: { lines: [`This is ${model.id}.`], card, examples: [] }, path };
  return {
    welcome: {
      lines: [
        "This is Minnow, a very small DeepSeek-V3 that Shoal trained from scratch on two CPU cores.",
        "It works out sums, solves word problems, writes small JavaScript functions and talks a little; nothing you type leaves this computer.",
        "It cannot be relied on: it knows little and makes things up.",
      ],
      card,
      examples: [
        "Tell me a story about a mouse and a lantern.",
        "What is 24 x 51?",
        "What do bears eat?",
        "Describe a snowy day in three sentences.",
      ],
    },
    path,
  };
}

export function addSite(app: App, folder = BUILT, card?: Card): void {
  if (card?.path) addCard(app, card.path);
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

function addCard(app: App, path: string): void {
  app.get("/card", (c) => {
    // The card begins with fields for the hub, which are no part of its text.
    const text = readFileSync(path, "utf8").replace(/^---\n[\s\S]*?\n---\n/, "");
    return c.body(text, 200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache" });
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
