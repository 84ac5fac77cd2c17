/** What stands before every route: who may ask, from where, how much and how often. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { ApiFailure } from "./errors.ts";
import type { App, Ctx, Env } from "./http.ts";
import { RateLimit } from "./rate-limit.ts";

export interface GuardOptions {
  /** Finds the owner of an API key, or null. Without it no key is needed, and only this machine's own names are answered to. */
  checkKey?: (key: string) => string | null;
  /** Web origins that may call /v1; "*" is every one. */
  cors: readonly string[];
  /** Requests a minute for each key or address; 0: no limit. */
  perMinute: number;
  /** Most bytes of a body. */
  bodyLimit: number;
}

/** Wrong keys a minute from one address. */
const WRONG_KEYS = 30;

export const LOCAL_OWNER = "local";

export function addGuards(app: App, options: GuardOptions): void {
  app.use(securityHeaders);
  if (!options.checkKey) app.use(onlyLocalHosts);
  app.use(onlyKnownOrigins(options.cors));
  if (options.cors.length > 0) app.use("/v1/*", crossOrigin(options.cors));
  app.use(identify(options));
}

/** The site runs its own files only, and shows nothing from elsewhere: an answer cannot make the browser fetch an image. */
const securityHeaders: MiddlewareHandler<Env> = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    workerSrc: ["'self'"],
    manifestSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: "DENY",
  referrerPolicy: "no-referrer",
  strictTransportSecurity: false,
  crossOriginResourcePolicy: "same-origin",
});

/** A page elsewhere may point its own name at 127.0.0.1 (DNS rebinding) and then read answers: its name is no name of this machine. */
const onlyLocalHosts: MiddlewareHandler<Env> = async (c, next) => {
  const host = c.req.header("host");
  if (host !== undefined && !isLoopback(hostName(host)))
    throw new ApiFailure(403, `this server answers to localhost, not to '${host.slice(0, 100)}'`, { code: "host" });
  await next();
};

/** "[::1]:3000" → "[::1]". */
const hostName = (host: string): string => host.replace(/:\d*$/, "").toLowerCase();

export function isLoopback(name: string): boolean {
  return (
    name === "localhost" || name.endsWith(".localhost") || /^127(\.\d{1,3}){3}$/.test(name) || /^\[?::1\]?$/.test(name)
  );
}

/** A browser says which page sends a request. Pages of other sites may not ask for anything, except those that were named. */
function onlyKnownOrigins(known: readonly string[]): MiddlewareHandler<Env> {
  return async (c, next) => {
    const origin = c.req.header("origin");
    // What a page of another site may be let do is to ask models: never to read or change conversations.
    const named = c.req.path.startsWith("/v1/") ? known : [];
    if (origin !== undefined && !allowed(origin, c.req.header("host"), named))
      throw new ApiFailure(403, `pages of ${origin.slice(0, 100)} may not use this; --cors ORIGIN lets them use /v1`, {
        code: "origin",
      });
    // Requests without an origin that a page of another site sends (images, forms by GET) change nothing and cannot be read.
    await next();
  };
}

function allowed(origin: string, host: string | undefined, known: readonly string[]): boolean {
  if (known.includes("*") || known.includes(origin)) return true;
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

function crossOrigin(known: readonly string[]): MiddlewareHandler<Env> {
  const origin = known.includes("*") ? "*" : [...known];
  return cors({ origin, exposeHeaders: ["retry-after"], maxAge: 600 });
}

/** Paths behind the key; what is left is the site's files, the reference and the health check. */
const needsKey = (path: string): boolean => /^\/(v1|api)\/|^\/metrics$/.test(path) && !OPEN.has(path);

/** What a page must know before it has a key. */
const OPEN = new Set(["/api/info", "/api/version"]);

function identify({ checkKey, perMinute, bodyLimit }: GuardOptions): MiddlewareHandler<Env> {
  const limit = perMinute > 0 ? new RateLimit(perMinute) : null;
  const wrong = new RateLimit(WRONG_KEYS);
  return async (c, next) => {
    const address = c.env?.incoming?.socket?.remoteAddress ?? "";
    let caller = address;
    c.set("owner", LOCAL_OWNER);
    c.set("bodyLimit", bodyLimit);
    if (checkKey && c.req.method !== "OPTIONS") {
      const key = keyOf(c);
      const owner = key ? checkKey(key) : null;
      c.set("owner", owner ?? "");
      if (owner !== null) caller = owner;
      else if (needsKey(c.req.path)) {
        wrong.take(address);
        const message = key
          ? "this API key is not known or was revoked"
          : "an API key is needed: Authorization: Bearer KEY";
        throw new ApiFailure(401, message, { code: "invalid_api_key" });
      }
    }
    // On this computer every connection takes its turn, elsewhere every key.
    c.set("client", caller === address ? `${address}:${c.env?.incoming?.socket?.remotePort ?? 0}` : caller);
    if (needsKey(c.req.path)) limit?.take(caller);
    await next();
  };
}

function keyOf(c: Ctx): string | null {
  return /^Bearer\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? null;
}
