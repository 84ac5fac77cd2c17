/** What every route shares: one way to declare it (which also writes the reference), bodies that are read with limits, and their errors. */
import type { HttpBindings } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { ApiFailure, invalidBody, renamed } from "./errors.ts";

/** What the request log tells of a request, beside its method, path, status and time. */
export interface LogFields {
  model?: string;
  promptTokens?: number;
  completionTokens?: number;
}

export interface Env {
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** Whose conversations are seen: the name of the API key, or "local". */
    owner: string;
    /** Who takes turns at the engine: the name of a key, or a connection. */
    client: string;
    /** Most bytes of a body, where the route has no limit of its own. */
    bodyLimit: number;
    log: LogFields;
    /** Called once the answer has been sent, or the client has left. */
    finished?: () => void;
  };
}

export type App = OpenAPIHono<Env>;
export type Ctx = Context<Env>;

/** Who asks an engine: a key's turns, and the cached beginnings of its own prompts alone. */
export const asker = (c: Ctx): { client: string; scope: string } => ({
  client: c.get("client"),
  scope: c.get("owner"),
});

export interface Route<Body extends z.ZodType, Query extends z.ZodObject> {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** As Hono writes it: /v1/models/:id */
  path: string;
  summary: string;
  tag: string;
  body?: Body;
  query?: Query;
  /** What a 200 answers. */
  answer?: z.ZodType;
  /** The media type of a streamed answer. */
  stream?: "text/event-stream" | "application/x-ndjson";
  /** Ollama's clients expect {error: "…"}, and often send no content type. */
  ollama?: boolean;
  /** Most bytes of the body, where not the server's own limit. */
  bodyLimit?: number;
  /** Most values (numbers, texts, …) in the body; default: `MAX_VALUES`, none where the route has a `bodyLimit`. */
  maxValues?: number;
  /** The client's names of an engine's fields, where they are not the same in snake_case; undefined: the engine's own names are the client's. */
  names?: Readonly<Record<string, string>>;
}

/** Values of a body at most: each is looked at while others wait. */
export const MAX_VALUES = 100_000;

export interface Inputs<Body, Query> {
  body: Body;
  query: Query;
}

export const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .openapi("Error");

const ollamaErrorSchema = z.object({ error: z.string() }).openapi("OllamaError");

/** Adds a route and its entry in the API reference. The handler gets what the schemas made of body and query. */
export function addRoute<Body extends z.ZodType = z.ZodUndefined, Query extends z.ZodObject = z.ZodObject>(
  app: App,
  route: Route<Body, Query>,
  handle: (c: Ctx, inputs: Inputs<z.output<Body>, z.output<Query>>) => Response | Promise<Response>,
): void {
  document(app, route);
  const inputs = async (c: Ctx): Promise<Inputs<z.output<Body>, z.output<Query>>> => ({
    body: (route.body ? check(route.body, await readJson(c, route)) : undefined) as z.output<Body>,
    query: (route.query ? check(route.query, c.req.query()) : {}) as z.output<Query>,
  });
  app.on(route.method.toUpperCase(), route.path, async (c) => {
    try {
      return await handle(c, await inputs(c));
    } catch (error) {
      throw route.names ? renamed(error, route.names) : error;
    }
  });
}

function document(app: App, route: Route<z.ZodType, z.ZodObject>): void {
  const path = route.path.replace(/:(\w+)(\{[^}]+\})?/g, "{$1}");
  const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name);
  const error = route.ollama ? ollamaErrorSchema : errorSchema;
  const answer = route.answer ?? z.unknown();
  app.openAPIRegistry.registerPath({
    method: route.method,
    path,
    summary: route.summary,
    tags: [route.tag],
    security: [{ key: [] }],
    request: {
      ...(route.body && { body: { required: true, content: { "application/json": { schema: route.body } } } }),
      ...(route.query && { query: route.query }),
      ...(names.length > 0 && { params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) }),
    },
    responses: {
      200: {
        description: route.stream ? "The whole answer, or a stream of it" : "Done",
        content: {
          ...((route.answer || !route.stream) && { "application/json": { schema: answer } }),
          ...(route.stream && { [route.stream]: { schema: z.string() } }),
        },
      },
      "4XX": { description: "The request was refused", content: { "application/json": { schema: error } } },
      "5XX": { description: "The server could not answer", content: { "application/json": { schema: error } } },
    },
  });
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const shape = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  throw invalidBody(parsed.error, shape);
}

/** Deepest nesting of arrays and objects in a body. */
export const DEEPEST_JSON = 100;

/** @throws ApiFailure 400 for what is not JSON, 413 for too much of it, 415 for another content type */
async function readJson(
  c: Ctx,
  { ollama, bodyLimit, maxValues = bodyLimit ? Number.POSITIVE_INFINITY : MAX_VALUES }: Route<z.ZodType, z.ZodObject>,
): Promise<unknown> {
  const type = (c.req.header("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (!ollama && type !== "application/json" && !type.endsWith("+json"))
    throw new ApiFailure(415, "send the body as JSON, with content-type: application/json", {
      code: "unsupported_media_type",
    });
  const bytes = await readBody(c, Math.max(bodyLimit ?? 0, c.get("bodyLimit")));
  if (bytes.byteLength === 0)
    throw new ApiFailure(400, "the body is empty; send a JSON object", { code: "invalid_json" });
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const { depth, values } = sizes(text);
    if (depth > DEEPEST_JSON) throw new Error(`nested more than ${DEEPEST_JSON} deep`);
    if (values > maxValues)
      throw new ApiFailure(413, `the body holds more than ${maxValues} values`, { code: "body_too_large" });
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof ApiFailure) throw error;
    const reason = error instanceof TypeError ? "not valid UTF-8" : (error as Error).message.slice(0, 200);
    throw new ApiFailure(400, `the body is not valid JSON: ${reason}`, { code: "invalid_json" });
  }
}

async function readBody(c: Ctx, most: number): Promise<Uint8Array> {
  const tooLarge = () => new ApiFailure(413, `the body is larger than ${most} bytes`, { code: "body_too_large" });
  if (Number(c.req.header("content-length")) > most) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of c.req.raw.body ?? []) {
      size += piece.byteLength;
      if (size > most) throw tooLarge();
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof ApiFailure) throw error;
    throw new ApiFailure(400, "the body ended before it was complete", { code: "incomplete_body" });
  }
  return Buffer.concat(pieces);
}

/** How deep brackets go in a JSON text, and how many values stand in it at least, without building it. */
function sizes(text: string): { depth: number; values: number } {
  let depth = 0;
  let most = 0;
  let values = 1;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x2c) values++;
    else if (code === 0x5b || code === 0x7b) most = Math.max(most, ++depth);
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return { depth: most, values };
}
