/** Errors as a client sees them: OpenAI's shape, and one place that says which failure has which status. */
import type { z } from "@hono/zod-openapi";
import { didYouMean } from "../../base/index.ts";
import { EngineError, type EngineErrorKind } from "../../infer/index.ts";
import { failureOf } from "../store/failure.ts";
import type { ApiError } from "../wire.ts";

/** A request that ends with an error answer. Its message is for whoever sent it. */
export class ApiFailure extends Error {
  override name = "ApiFailure";
  readonly status: number;
  /** OpenAI's `type`: derived from the status. */
  readonly code: string | null;
  readonly param: string | null;
  /** Seconds. */
  readonly retryAfter: number | null;
  /** Of a 405: the methods that there are. */
  readonly allow: readonly string[];

  constructor(
    status: number,
    message: string,
    detail: { code?: string; param?: string | null; retryAfter?: number | null; allow?: readonly string[] } = {},
  ) {
    super(message);
    this.status = status;
    this.code = detail.code ?? null;
    this.param = detail.param ?? null;
    this.retryAfter = detail.retryAfter ?? null;
    this.allow = detail.allow ?? [];
  }

  get body(): ApiError {
    return { error: { message: this.message, type: typeOf(this.status), param: this.param, code: this.code } };
  }

  get headers(): Record<string, string> {
    return {
      ...(this.retryAfter !== null && { "retry-after": String(Math.max(1, Math.ceil(this.retryAfter))) }),
      ...(this.allow.length > 0 && { allow: this.allow.join(", ") }),
    };
  }
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

const STATUS: Record<EngineErrorKind, { status: number; code: string }> = {
  invalid: { status: 400, code: "invalid_value" },
  context_length: { status: 400, code: "context_length_exceeded" },
  not_found: { status: 404, code: "model_not_found" },
  overloaded: { status: 429, code: "overloaded" },
  unavailable: { status: 503, code: "unavailable" },
  timeout: { status: 504, code: "timeout" },
  unfulfilled: { status: 422, code: "schema_not_satisfied" },
  upstream: { status: 502, code: "upstream_error" },
  internal: { status: 500, code: "internal_error" },
};

/** Seconds after which to try again, where an engine names none. */
const RETRY_SECONDS = 2;

/** What to tell a client of any error. What nobody foresaw is not shown but written to stderr. */
export function asFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  if (error instanceof EngineError) {
    const { kind, message, param } = error;
    const { status, code } = STATUS[kind];
    // An upstream's own refusal of the request is the client's business; its 401 and 403 concern our key, its 5xx are its own.
    const passed = kind === "upstream" && [400, 404, 409, 413, 422, 429].includes(error.status ?? 0);
    const shown = passed ? error.status! : status;
    const retryAfter = error.retryAfter ?? (shown === 429 || shown === 503 ? RETRY_SECONDS : null);
    if (kind === "internal") console.error(error);
    return new ApiFailure(shown, message, { code, param, retryAfter });
  }
  console.error(error);
  const stored = failureOf(error);
  if (stored)
    return new ApiFailure(stored.status, stored.message, {
      code: `store_${stored.kind}`,
      retryAfter: stored.kind === "busy" ? RETRY_SECONDS : null,
    });
  return new ApiFailure(500, "something went wrong inside the server; its log says what", { code: "internal_error" });
}

/**
 * An engine's refusal with the field named as the client knows it: by `names`, else in snake_case.
 * @example renamed(new EngineError("invalid", "topP must be …", { param: "topP" }), {}) // "top_p must be …"
 */
export function renamed(error: unknown, names: Readonly<Record<string, string>>): unknown {
  if (!(error instanceof EngineError) || error.param === null || error.kind === "upstream") return error;
  const { kind, message, param, retryAfter, status } = error;
  const [field] = /^\w+/.exec(param) ?? [""];
  const name = Object.hasOwn(names, field) ? names[field] : field.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  return new EngineError(kind, message.startsWith(field) ? name + message.slice(field.length) : message, {
    param: name + param.slice(field.length),
    retryAfter: retryAfter ?? undefined,
    status: status ?? undefined,
  });
}

/** The first problem that a schema found, as a 400 that names the field. `known`: names of the outermost object, to suggest one. */
export function invalidBody(error: z.core.$ZodError, known: readonly string[]): ApiFailure {
  const issue = deepest(error.issues[0]);
  const param = pathOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    const field = pathOf([...issue.path, issue.keys[0]]);
    const near = issue.path.length === 0 ? didYouMean(issue.keys[0], known) : "";
    return new ApiFailure(400, `unknown field ${quoted(field)}${near}`, {
      param: field.slice(0, LONGEST_NAME),
      code: "unknown_parameter",
    });
  }
  const message = issue.message.replace("Invalid input: ", "");
  return new ApiFailure(400, param ? `${quoted(param)}: ${message}` : message, {
    param: param.slice(0, LONGEST_NAME) || null,
    code: issue.code === "invalid_type" ? "invalid_type" : "invalid_value",
  });
}

/** Of the alternatives of a union, the complaint that lies deepest is about what was meant. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const inner = issue.errors
    .flat()
    .map((one) => deepest({ ...one, path: [...issue.path, ...one.path] } as z.core.$ZodIssue));
  const best = inner.sort((a, b) => b.path.length - a.path.length)[0];
  if (best === undefined) return issue;
  const ties = inner.filter(({ path }) => path.length === issue.path.length);
  // Nothing lies deeper than the union itself: say all that could stand there.
  if (best.path.length === issue.path.length && ties.length > 1)
    return { ...issue, message: ties.map(({ message }) => message.replace("Invalid input: ", "")).join(", or ") };
  return best;
}

/** Longest field name that an answer repeats. */
const LONGEST_NAME = 200;

const quoted = (name: string): string => `'${name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name}'`;

/** ["messages", 0, "content"] → "messages[0].content". */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}
