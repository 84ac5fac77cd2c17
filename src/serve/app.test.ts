import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EngineError } from "../infer/index.ts";
import { dataFolder } from "./data-folder.ts";
import { joinEngines } from "./router.ts";
import { cardOf } from "./site/files.ts";
import { testFolder, testServer } from "./testing/test-server.ts";

const server = testServer();
const hello = { messages: [{ role: "user", content: "Hello there" }] };

describe("operations", () => {
  it("say whether a model can be asked", async () => {
    expect(await (await server.get("/health")).json()).toEqual({ status: "ok", models: 1 });
    const none = testServer({ models: [] });
    expect((await none.get("/health")).status).toBe(503);
    expect((await none.send("POST", "/v1/chat/completions", hello)).status).toBe(503);
  });

  it("are measured under vLLM's names, wherever a request comes from", async () => {
    const own = testServer();
    await own.post("/v1/chat/completions", hello);
    await own.post("/api/chat", { ...hello, model: "fake", stream: false });
    await own.send("POST", "/v1/chat/completions", { ...hello, max_tokens: 1 });
    const text = await (await own.get("/metrics")).text();
    const value = (name: string) =>
      Number(new RegExp(`^${name.replaceAll(/[{}]/g, "\\$&")} (\\S+)$`, "m").exec(text)?.[1]);
    const model = 'model_name="fake"';
    expect(value(`vllm:num_requests_running{${model}}`)).toBe(0);
    expect(value(`vllm:prompt_tokens_total{${model}}`)).toBe(6);
    expect(value(`vllm:generation_tokens_total{${model}}`)).toBe(9);
    expect(value(`vllm:prefix_cache_hits_total{${model}}`)).toBe(3);
    expect(value(`vllm:spec_decode_num_accepted_tokens_total{${model}}`)).toBe(6);
    expect(value(`vllm:kv_cache_usage_perc{${model}}`)).toBe(0.25);
    expect(value(`vllm:request_success_total{${model},finished_reason="stop"}`)).toBe(2);
    expect(value(`vllm:request_success_total{${model},finished_reason="length"}`)).toBe(1);
    expect(value(`vllm:time_to_first_token_seconds_count{${model}}`)).toBe(3);
    expect(value(`vllm:request_decode_time_seconds_sum{${model}}`)).toBeCloseTo(0.06);
  });
});

describe("a path", () => {
  it.each([
    ["GET", "/v1/chat/completions", 405, /takes POST, not GET/],
    ["GET", "/v1/completions", 405, /POST/],
    ["PUT", "/v1/responses", 405, /POST/],
    ["POST", "/v1/models", 405, /GET/],
    ["DELETE", "/v1/models/fake", 405, /GET/],
    ["PUT", "/api/conversations", 405, /GET and POST and DELETE/],
    ["POST", "/metrics", 405, /GET/],
    ["POST", "/chat/completions", 404, /there is POST \/v1\/chat\/completions/],
    ["GET", "/models", 404, /there is GET \/v1\/models/],
    ["POST", "/v1/v1/responses", 404, /there is POST \/v1\/responses/],
    ["POST", "/api/v1/chat/completions", 404, /there is POST \/v1\/chat\/completions/],
    ["POST", "/v1/embeddings", 404, /nothing at POST \/v1\/embeddings$/],
    ["POST", "/v1/engines/x/completions", 404, /there is POST \/v1\/completions/],
  ])("%s %s is answered with what there is", async (method, path, status, message) => {
    const answer = await server.send(method, path, method === "GET" ? undefined : {}, { accept: "application/json" });
    const { error } = (await answer.json()) as { error: { message: string } | string };
    expect(answer.status).toBe(status);
    expect(typeof error === "string" ? error : error.message).toMatch(message);
    expect(answer.headers.has("allow")).toBe(status === 405);
  });

  it.each([
    ["POST", "/api/embed"],
    ["POST", "/api/embeddings"],
    ["POST", "/api/pull"],
    ["DELETE", "/api/delete"],
    ["GET", "/api/chat"],
    ["GET", "/api/anything"],
  ])("%s %s of Ollama's API is refused in its form", async (method, path) => {
    const answer = await server.send(method, path);
    expect([404, 405]).toContain(answer.status);
    expect(await answer.json()).toEqual({ error: expect.any(String) });
  });

  it("of the site's own API is refused in OpenAI's form", async () => {
    for (const path of ["/api/conversations/x/y", "/api/messages", "/api/infos/../info/x"])
      expect(await (await server.get(path)).json()).toEqual({ error: expect.objectContaining({ code: "not_found" }) });
  });
});

describe("a model's name", () => {
  const named = testServer({ models: [{ id: "__proto__" }, { id: "a\n12:00:00 200 GET /forged 1 ms" }] });

  it("may be any object's property and is measured like any other", async () => {
    const { engine } = named;
    const joined = testServer({}, { engine: joinEngines([{ name: "x", engine }]) });
    await joined.post("/v1/chat/completions", { ...hello, model: "__proto__" });
    const metrics = await joined.get("/metrics");
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).toContain('vllm:num_requests_running{model_name="__proto__"} 0');
  });

  it("forges no line of the log", async () => {
    const lines: string[] = [];
    const { send } = testServer({}, { engine: named.engine, log: "text", writeLog: (line) => lines.push(line) });
    await send("POST", "/v1/chat/completions", { ...hello, model: "a\n12:00:00 200 GET /forged 1 ms" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/[\r\n]/);
  });
});

describe("an engine's refusal", () => {
  it.each([
    ["/v1/chat/completions", hello, "response_format"],
    ["/v1/completions", { prompt: "x" }, "response_format"],
    ["/v1/responses", { input: "x" }, "text.format"],
    ["/api/chat", { ...hello, model: "fake", stream: false }, "format"],
  ])("of %s names the field as it was sent, streamed or not", async (path, body, name) => {
    const refuse = () => new EngineError("invalid", "responseFormat: #/x: is not known", { param: "responseFormat" });
    const refusing = testServer({ refuse });
    for (const stream of [false, true]) {
      const answer = await refusing.send("POST", path, { ...body, stream });
      expect(answer.status).toBe(400);
      const { error } = (await answer.json()) as { error: { message: string; param: string } };
      if (path === "/api/chat") expect(error).toBe("format: #/x: is not known");
      else expect(error).toMatchObject({ message: `${name}: #/x: is not known`, param: name });
    }
  });

  it("names fields of sampling in snake case", async () => {
    const refuse = () => new EngineError("invalid", "logitBias: entry 9: 1", { param: "logitBias" });
    const answer = await testServer({ refuse }).send("POST", "/v1/chat/completions", hello);
    expect(await answer.json()).toMatchObject({ error: { message: "logit_bias: entry 9: 1", param: "logit_bias" } });
  });
});

describe("the reference", () => {
  interface Api {
    openapi: string;
    paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: { $ref?: string } }> } }>>;
    components: { schemas: Record<string, { properties?: Record<string, object> }> };
  }

  it("has every route and the fields that are checked", async () => {
    const api = (await (await server.get("/openapi.json")).json()) as Api;
    expect(api.openapi).toBe("3.1.0");
    const routes = server.app.routes.filter(
      ({ method, path }) => /^(GET|POST|PUT|PATCH|DELETE)$/.test(method) && /^\/(v1|api)\//.test(path),
    );
    expect(routes.length).toBeGreaterThan(25);
    for (const { method, path } of routes) {
      const written = path.replace(/:(\w+)(\{[^}]+\})?/g, "{$1}");
      expect(Object.keys(api.paths[written] ?? {}), written).toContain(method.toLowerCase());
    }
    const { properties } = api.components.schemas.ChatCompletionRequest;
    expect(Object.keys(properties!)).toEqual(
      expect.arrayContaining(["messages", "temperature", "response_format", "tools"]),
    );
    expect(api.paths["/v1/chat/completions"].post.requestBody!.content["application/json"].schema.$ref).toMatch(
      /ChatCompletionRequest$/,
    );
  });

  it("is a page without scripts, whose links lead somewhere", async () => {
    const page = await (await server.get("/docs")).text();
    expect(page).not.toMatch(/<script|style=|https?:\/\//);
    for (const route of ["/v1/chat/completions", "/api/tags", "/metrics"])
      expect(page).toContain(`<code>${route}</code>`);
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, name]) => name);
    expect(targets.length).toBeGreaterThan(10);
    for (const name of targets) expect(page).toContain(`id="${name}"`);
    expect((await server.get("/docs.css")).headers.get("content-type")).toMatch(/^text\/css/);
  });
});

describe("the site's files", () => {
  const folder = testFolder();
  const siteDir = join(folder, "web");
  const readme = "---\nlicense: mit\n---\n# Minnow <script>\n";
  writeFileSync(join(folder, "README.md"), readme);
  const site = testServer({}, { siteDir, card: cardOf({ id: "minnow", dir: folder }) });

  it("are said to be missing where they are, and served once they are there", async () => {
    const before = await site.get("/");
    expect(before.status).toBe(503);
    expect(await before.text()).toMatch(/not built[\s\S]*npm start/);
    mkdirSync(join(siteDir, "assets"), { recursive: true });
    writeFileSync(join(siteDir, "index.html"), "<title>Shoal</title>");
    writeFileSync(join(siteDir, "assets", "main-1a2b.js"), "1");
    writeFileSync(join(folder, "secret.txt"), "secret");
    const index = await site.get("/");
    expect(await index.text()).toBe("<title>Shoal</title>");
    expect(index.headers.get("cache-control")).toBe("no-cache");
    const asset = await site.get("/assets/main-1a2b.js");
    expect(asset.headers.get("cache-control")).toMatch(/immutable/);
    expect(asset.headers.get("content-type")).toMatch(/javascript/);
    expect(await (await site.get("/c/123", { accept: "text/html" })).text()).toBe("<title>Shoal</title>");
    for (const path of ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/none.js", "/v1/none"])
      expect(await (await site.get(path)).text()).not.toMatch(/secret$/);
    expect((await site.get("/assets/none.js")).status).toBe(404);
  });
});

describe("the data folder", () => {
  it.each([
    ["linux", {}, "/home/ada/.local/share/shoal"],
    ["linux", { XDG_DATA_HOME: "/data" }, "/data/shoal"],
    ["darwin", {}, "/home/ada/Library/Application Support/shoal"],
    ["win32", { LOCALAPPDATA: "/appdata" }, "/appdata/shoal"],
  ] as const)("of %s with %j", (platform, env, expected) => {
    expect(dataFolder(platform, env, "/home/ada").replaceAll("\\", "/")).toBe(expected);
  });
});
