import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dataFolder } from "./data-folder.ts";
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
