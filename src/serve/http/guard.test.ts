import { describe, expect, it } from "vitest";
import { testServer } from "../testing/test-server.ts";
import { isLoopback } from "./guard.ts";
import { RateLimit } from "./rate-limit.ts";

const errorOf = async (answer: Response) => ((await answer.json()) as { error: Record<string, unknown> }).error;

describe("on this computer alone", () => {
  const server = testServer();

  it.each(["localhost:3000", "127.0.0.1", "127.0.0.1:80", "[::1]:3000", "LOCALHOST"])("answers to %s", async (host) => {
    expect((await server.get("/v1/models", { host })).status).toBe(200);
  });

  it.each(["evil.com", "127.0.0.1.evil.com:3000", "localhost.evil.com", "evil.com:127", ""])(
    "does not answer to %j, which may be another's name for it",
    async (host) => {
      const answer = await server.get("/v1/models", { host });
      expect(answer.status).toBe(403);
      expect(await errorOf(answer)).toMatchObject({ code: "host", type: "permission_error" });
    },
  );

  it("heeds no page of another site", async () => {
    for (const origin of ["https://evil.com", "null", "http://localhost:4000"]) {
      const answer = await server.send("POST", "/api/conversations", {}, { origin, host: "localhost:3000" });
      expect(answer.status).toBe(403);
      expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    }
    const own = { origin: "http://localhost:3000", host: "localhost:3000" };
    expect((await server.send("POST", "/api/conversations", {}, own)).status).toBe(200);
  });

  it("sends a strict policy with everything", async () => {
    const { headers } = await server.get("/v1/models");
    expect(headers.get("content-security-policy")).toMatch(/default-src 'none'; script-src 'self'/);
    expect(headers.get("content-security-policy")).not.toMatch(/unsafe-eval|https?:|script-src[^;]*unsafe/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
  });
});

describe("web origins", () => {
  it("that were named may call the API, and the site's no more than others", async () => {
    const server = testServer({}, { cors: ["https://app.example"] });
    const origin = { origin: "https://app.example" };
    const asked = await server.send("OPTIONS", "/v1/chat/completions", undefined, {
      ...origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-headers")).toBe("authorization,content-type");
    const answer = await server.get("/v1/models", origin);
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect((await server.get("/v1/models", { origin: "https://evil.com" })).status).toBe(403);
    expect((await server.get("/api/info", origin)).headers.get("access-control-allow-origin")).toBeNull();
  });

  it.each(["*", "https://app.example"])("named by %j may not act on what stands beside /v1", async (cors) => {
    const server = testServer({}, { cors: [cors] });
    const origin = { origin: "https://app.example", host: "localhost:3000" };
    expect((await server.get("/v1/models", origin)).status).toBe(200);
    const body = { model: "fake", prompt: "x", stream: false };
    expect((await server.send("POST", "/api/generate", body, origin)).status).toBe(403);
    expect((await server.send("POST", "/api/conversations", {}, origin)).status).toBe(403);
    expect((await server.get("/metrics", origin)).status).toBe(403);
    expect(server.engine.requests).toHaveLength(0);
  });
});

describe("with keys", () => {
  const server = testServer({}, { requireKeys: true });
  const { key, id } = server.store.keys.create("ada");
  const bearer = (value: string) => ({ authorization: `Bearer ${value}` });

  it("answers to a key in force, whatever its host's name", async () => {
    expect((await server.get("/v1/models", { ...bearer(key), host: "shoal.example" })).status).toBe(200);
  });

  it.each(["/v1/models", "/api/conversations", "/api/tags", "/metrics", "/v1/none"])(
    "does not answer %s without",
    async (path) => {
      for (const headers of [{}, bearer("sk-shoal-wrong"), bearer(`${key}x`), { authorization: `Basic ${key}` }]) {
        const answer = await server.get(path, headers as Record<string, string>);
        expect(answer.status).toBe(401);
        const said = await errorOf(answer);
        if (path === "/api/tags") expect(said).toMatch(/API key/);
        else expect(said).toMatchObject({ type: "authentication_error", code: "invalid_api_key" });
      }
    },
  );

  it("tells a page without a key that it needs one, and nothing else", async () => {
    const answer = await server.get("/api/info");
    expect(await answer.json()).toMatchObject({ needsKey: true, models: [], welcome: { lines: [] } });
    expect((await server.get("/health")).status).toBe(200);
    expect((await server.get("/docs")).status).toBe(200);
  });

  it("shows each name its own conversations", async () => {
    const bob = server.store.keys.create("bob").key;
    const made = await server.send("POST", "/api/conversations", { title: "Ada's" }, bearer(key));
    const { id: conversation } = (await made.json()) as { id: string };
    for (const [method, path, body] of [
      ["GET", `/api/conversations/${conversation}`],
      ["PATCH", `/api/conversations/${conversation}`, { title: "x" }],
      ["DELETE", `/api/conversations/${conversation}`],
      ["POST", `/api/conversations/${conversation}/messages`, { parentId: null, content: "x" }],
    ] as const)
      expect((await server.send(method, path, body, bearer(bob))).status).toBe(404);
    expect(await (await server.get("/api/conversations", bearer(bob))).json()).toMatchObject({ conversations: [] });
    expect((await server.get(`/api/conversations/${conversation}`, bearer(key))).status).toBe(200);
  });

  it("forgets a key that was revoked at once", async () => {
    expect(server.store.keys.revoke(id)).toBe(true);
    expect((await server.get("/v1/models", bearer(key))).status).toBe(401);
    expect(server.store.keys.revoke(id)).toBe(false);
  });

  it("stops listening to whoever tries key after key", async () => {
    const statuses = new Set<number>();
    for (let i = 0; i < 60; i++) statuses.add((await server.get("/v1/models", bearer(`sk-shoal-${i}`))).status);
    expect(statuses).toEqual(new Set([401, 429]));
  });
});

describe("limits", () => {
  it("of requests a minute", () => {
    let now = 0;
    const limit = new RateLimit(6, () => now);
    for (let i = 0; i < 6; i++) limit.take("ada");
    expect(() => limit.take("ada")).toThrow(expect.objectContaining({ status: 429, retryAfter: 10 }));
    limit.take("bob");
    now += 10_000;
    limit.take("ada");
    expect(() => limit.take("ada")).toThrow(/6 requests a minute/);
  });

  it("of requests, told with a time to wait", async () => {
    const server = testServer({}, { perMinute: 2 });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push(await server.get("/v1/models"));
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(statuses[2].headers.get("retry-after")).toBe("30");
    expect((await server.get("/health")).status).toBe(200);
  });

  it("of bytes, also where no length is told", async () => {
    const server = testServer({}, { bodyLimit: 1000 });
    const body = JSON.stringify({ messages: [{ role: "user", content: "x".repeat(2000) }] });
    for (const length of [{}, { "content-length": String(body.length) }]) {
      const answer = await server.send("POST", "/v1/chat/completions", body, length as Record<string, string>);
      expect(answer.status).toBe(413);
      expect(await errorOf(answer)).toMatchObject({ code: "body_too_large" });
    }
  });
});

describe("the request log", () => {
  it("tells path, status and tokens, and not a word of what was said, nor a key", async () => {
    const lines: string[] = [];
    const server = testServer({}, { log: "json", writeLog: (line) => lines.push(line), requireKeys: true });
    const { key } = server.store.keys.create("ada");
    const headers = { authorization: `Bearer ${key}` };
    const body = { messages: [{ role: "user", content: "my secret" }] };
    await (await server.send("POST", "/v1/chat/completions?q=secret", body, headers)).text();
    await (await server.send("POST", "/v1/chat/completions", { ...body, stream: true }, headers)).text();
    await server.get("/api/conversations?q=secret", headers);
    expect(lines).toHaveLength(3);
    const [first, second] = lines.map((line) => JSON.parse(line));
    for (const line of [first, second])
      expect(line).toMatchObject({
        method: "POST",
        path: "/v1/chat/completions",
        status: 200,
        model: "fake",
        promptTokens: 2,
        completionTokens: 4,
      });
    expect(lines.join()).not.toMatch(/secret|sk-shoal/);
  });
});

describe("loopback names", () => {
  it.each([
    ["127.0.0.1", true],
    ["::1", true],
    ["localhost", true],
    ["0.0.0.0", false],
    ["::", false],
    ["192.168.1.2", false],
    ["127.0.0.1.evil.com", false],
  ])("%s: %s", (name, expected) => expect(isLoopback(name)).toBe(expected));
});
