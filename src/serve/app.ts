/** The server as a Hono app: everything but the socket, so that tests can ask it without one. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { type Engine, EngineError } from "../infer/index.ts";
import { type Deps, modelLookup } from "./deps.ts";
import { ApiFailure, asFailure } from "./http/errors.ts";
import { addGuards } from "./http/guard.ts";
import { type App, addRoute, type Env } from "./http/http.ts";
import { Metrics } from "./http/metrics.ts";
import { type OpenApi, REFERENCE_CSS, referencePage } from "./http/reference-page.ts";
import { type LogForm, requestLog } from "./http/request-log.ts";
import { addOllama } from "./ollama/routes.ts";
import { addChat } from "./openai/chat.ts";
import { addCompletions } from "./openai/completions.ts";
import { addModels } from "./openai/models.ts";
import { addResponses } from "./openai/responses.ts";
import { Replies } from "./replies/replies.ts";
import { addSite, type Card } from "./site/files.ts";
import { addSiteApi } from "./site/routes.ts";
import type { Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

export interface ServerOptions {
  engine: Engine;
  store: Store;
  /** Answers where a request names no model (default: the first in the list). */
  defaultModel?: string;
  /** Demand API keys of the store (default: no key, and only this machine's own names are answered to). */
  requireKeys?: boolean;
  /** Web origins that may call /v1; "*" is every one (default: none). */
  cors?: readonly string[];
  /** Requests a minute for each key or address (default 0: no limit). */
  perMinute?: number;
  /** Most bytes of a body (default 8 MiB). */
  bodyLimit?: number;
  log?: LogForm;
  /** Where lines of the request log go (default: stderr). */
  writeLog?: (line: string) => void;
  /** Folder of the built site (default: dist/web). */
  siteDir?: string;
  /** The default model's card, and what a first visit says of it. */
  card?: Card;
}

export interface Server {
  app: App;
  replies: Replies;
  metrics: Metrics;
}

/** @example const { app } = createServer({ engine, store }); const answer = await app.request("/v1/models"); */
export function createServer(options: ServerOptions): Server {
  const { store } = options;
  const metrics = new Metrics(options.engine);
  const engine = metrics.watch(options.engine);
  const deps: Deps = { engine, ...modelLookup(engine, options.defaultModel) };
  const replies = new Replies(engine, store, deps);
  const app: App = new OpenAPIHono<Env>();

  app.onError((error, c) => {
    const failure = asFailure(error);
    const { status, headers } = failure;
    return Response.json(isOllama(c.req.path) ? { error: failure.message } : failure.body, { status, headers });
  });
  app.notFound((c) => {
    throw nothingThere(app, c.req.method, c.req.path);
  });
  app.use(requestLog(options.log ?? "none", options.writeLog ?? ((line) => process.stderr.write(`${line}\n`))));
  addGuards(app, {
    checkKey: options.requireKeys ? (key) => store.keys.check(key) : undefined,
    cors: options.cors ?? [],
    perMinute: options.perMinute ?? 0,
    bodyLimit: options.bodyLimit ?? 8 << 20,
  });

  addModels(app, deps);
  addChat(app, deps);
  addCompletions(app, deps);
  addResponses(app, deps);
  addOllama(app, deps, VERSION);
  addSiteApi(app, { deps, store, replies, card: options.card, needsKey: options.requireKeys ?? false });
  addOperations(app, engine, metrics);
  addReference(app);
  addSite(app, options.siteDir);
  return { app, replies, metrics };
}

/** Paths whose clients expect Ollama's form of an error: of /api all but the site's own. */
const isOllama = (path: string): boolean =>
  /^\/api\//.test(path) &&
  !/^\/api\/(info|card|count|presets|defaults|conversations|messages|export|import)(\/|$)/.test(path);

/** Why a path cannot be asked so: another method is needed, or it stands below /v1. */
function nothingThere(app: App, method: string, path: string): ApiFailure {
  const allow = methodsOf(app, path);
  const asked = `${method} ${path.slice(0, 200)}`;
  if (allow.length > 0)
    return new ApiFailure(405, `${path.slice(0, 200)} takes ${allow.join(" and ")}, not ${method}`, {
      code: "method_not_allowed",
      allow,
    });
  // DeepSeek's base address has no /v1; others write it twice.
  const below = `/v1${/\/(chat\/completions|completions|responses|models)(\/.*)?$/.exec(path)?.[0] ?? ""}`;
  const hint =
    below !== path && methodsOf(app, below).includes(method) ? `; there is ${method} ${below.slice(0, 200)}` : "";
  return new ApiFailure(404, `there is nothing at ${asked}${hint}`, { code: "not_found" });
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** The methods that a path of the API can be asked with. */
function methodsOf(app: App, path: string): string[] {
  if (!/^\/(v1|api)\/|^\/(health|metrics)$/.test(path)) return [];
  // What stands at every path are guards and the site's files.
  const routed = (method: string) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method && route.path !== "/*");
  return METHODS.filter(routed);
}

function addOperations(app: App, engine: Engine, metrics: Metrics): void {
  const health = z.object({ status: z.literal("ok"), models: z.int() });
  const tag = "Operations";
  addRoute(
    app,
    { method: "get", path: "/health", summary: "200 while a model can be asked", tag, answer: health },
    async (c) => {
      const models = (await engine.models()).length;
      if (models === 0) throw new EngineError("unavailable", "no model can be asked now");
      return c.json({ status: "ok", models });
    },
  );
  addRoute(app, { method: "get", path: "/metrics", summary: "For Prometheus; names as vLLM's", tag }, async (c) =>
    c.body(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType }),
  );
}

function addReference(app: App): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "key", { type: "http", scheme: "bearer" });
  let made: OpenApi | null = null;
  const api = (): OpenApi => {
    made ??= app.getOpenAPI31Document({
      openapi: "3.1.0",
      info: { title: "Shoal", version: VERSION },
    }) as unknown as OpenApi;
    return made;
  };
  app.get("/openapi.json", (c) => c.json(api()));
  app.get("/docs", (c) => c.html(referencePage(api())));
  app.get("/docs.css", (c) => c.body(REFERENCE_CSS, 200, { "content-type": "text/css; charset=utf-8" }));
}
