import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { etagOf, type FakeHub, sendFile, startFakeHub } from "../testing/fake-hub.ts";
import { TRANSFER_LIMITS } from "../transfer.ts";
import { listCachedModels, looksLikeModelName, modelFolder, parseModelName, repositoryFolder } from "./cache.ts";
import { chooseModelFiles } from "./choose.ts";
import { findCachedModel, removeModel, verifyModel } from "./manage.ts";
import { type PullProgress, planPull, pullModel } from "./pull.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const weights = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i + (i >> 7)) & 255));
const files = {
  "config.json": Buffer.from('{"model_type":"deepseek_v3"}'),
  "tokenizer.json": Buffer.from("{}"),
  "chat_template.jinja": Buffer.from("{{ messages }}"),
  "model-00001-of-00002.safetensors": weights,
  "model-00002-of-00002.safetensors": Buffer.from(weights).reverse(),
  "pytorch_model.bin": Buffer.from("not wanted"),
  "additional_chat_templates/tool use.jinja": Buffer.from("tools"),
};

const base = mkdtempSync(join(tmpdir(), "shoal-pull-"));
let hub: FakeHub;
let cache: string;
let count = 0;
const name = parseModelName("sea/fish");
const pull = (options: object = {}) => pullModel(name, { cache, ...options });
const env = { ...process.env };

beforeAll(async () => {
  hub = await startFakeHub();
  TRANSFER_LIMITS.stallSeconds = 1;
});
beforeEach(() => {
  cache = join(base, String(count++));
  hub.repositories = { "sea/fish": { commit: COMMIT, files: { ...files } } };
  hub.misbehave = () => false;
  hub.redirectTo = null;
  hub.requests.length = 0;
  process.env = { ...env, HF_ENDPOINT: hub.url };
  for (const key of ["HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HUGGING_FACE_HUB_TOKEN"])
    delete process.env[key];
  process.env.HF_HOME = join(base, "home");
});
afterAll(async () => {
  process.env = env;
  await hub.close();
  rmSync(base, { recursive: true, force: true });
});

function expectWhole(folder: string): void {
  for (const [path, bytes] of Object.entries(files))
    if (path === "pytorch_model.bin") expect(existsSync(join(folder, path))).toBe(false);
    else expect(readFileSync(join(folder, path)).equals(bytes)).toBe(true);
}

describe("pulling a model", () => {
  it("lays it out as the Hugging Face cache does, and fetches nothing twice", async () => {
    const seen: PullProgress[] = [];
    const folder = await pull({ onProgress: (progress: PullProgress) => seen.push({ ...progress }) });
    expect(folder).toBe(join(cache, "models--sea--fish", "snapshots", COMMIT));
    expectWhole(folder);
    const root = repositoryFolder(cache, "sea/fish");
    expect(readFileSync(join(root, "refs", "main"), "utf8")).toBe(COMMIT);
    expect(existsSync(join(root, "blobs", etagOf(weights)))).toBe(true);
    expect(seen.at(-1)!.bytes).toBe(seen.at(-1)!.totalBytes);
    expect(seen.map(({ bytes }) => bytes)).toEqual(seen.map(({ bytes }) => bytes).toSorted((a, b) => a - b));
    const before = hub.requests.length;
    await pull();
    expect(hub.requests.slice(before).map(({ path }) => path)).toEqual(["/api/models/sea/fish/revision/main"]);
  });

  it("goes on where a connection was cut, however often", async () => {
    let cuts = 0;
    hub.misbehave = (request, response, bytes) => {
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (bytes.length < 1000 || cuts >= 15) return false;
      cuts++;
      response.writeHead(from > 0 ? 206 : 200, {
        "content-length": String(bytes.length - from),
        ...(from > 0 && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(bytes.subarray(from, from + 20_000), () => setTimeout(() => response.destroy(), 5));
      return true;
    };
    expectWhole(await pull());
    expect(hub.requests.filter(({ range }) => range !== undefined).length).toBeGreaterThan(5);
  });

  it("takes 200 in place of 206 as a new beginning", async () => {
    let first = true;
    hub.misbehave = (request, response, bytes) => {
      if (bytes.length < 1000) return false;
      if (first) {
        first = false;
        response.writeHead(200, { "content-length": String(bytes.length) });
        response.write(bytes.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 5));
        return true;
      }
      sendFile(bytes, undefined, response);
      return request.headers.range !== undefined || true;
    };
    expectWhole(await pull());
  });

  it("keeps nothing that is not what the hub says", async () => {
    hub.misbehave = (_, response, bytes) => {
      if (bytes.length < 1000) return false;
      sendFile(Buffer.alloc(bytes.length, 7), undefined, response);
      return true;
    };
    await expect(pull()).rejects.toThrow(/^sea\/fish: model-0000\d-of-00002\.safetensors arrived damaged[^\n]*$/);
    expect(existsSync(join(repositoryFolder(cache, "sea/fish"), "blobs", etagOf(weights)))).toBe(false);
    hub.misbehave = () => false;
    expectWhole(await pull());
  });

  it("throws away a damaged beginning of an earlier attempt", async () => {
    const blob = join(repositoryFolder(cache, "sea/fish"), "blobs", etagOf(weights));
    mkdirSync(join(blob, ".."), { recursive: true });
    writeFileSync(`${blob}.part`, Buffer.alloc(1234, 9));
    expectWhole(await pull());
  });

  it.each([
    ["too many bytes", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("more")])],
    ["too few bytes", (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
  ])("%s are no file", async (_, change) => {
    const attempts = TRANSFER_LIMITS.attempts;
    TRANSFER_LIMITS.attempts = 2;
    hub.misbehave = (_, response, bytes) => {
      if (bytes.length < 1000) return false;
      sendFile(change(bytes), undefined, response);
      return true;
    };
    await expect(pull()).rejects.toThrow(/^sea\/fish: [^\n]*$/);
    TRANSFER_LIMITS.attempts = attempts;
  });

  it("waits as long as a busy server asks, and tries again after errors of its own", async () => {
    let refusals = 0;
    hub.misbehave = (_, response, bytes) => {
      if (bytes.length < 1000 || refusals >= 3) return false;
      response.writeHead(refusals++ === 0 ? 429 : 503, { "retry-after": "0" }).end();
      return true;
    };
    expectWhole(await pull());
    expect(refusals).toBe(3);
  });

  it("notices a server that sends nothing", async () => {
    let stalls = 0;
    hub.misbehave = (_, response, bytes) => {
      if (bytes.length < 1000 || stalls >= 1) return false;
      stalls++;
      response.writeHead(200, { "content-length": String(bytes.length) });
      response.write(bytes.subarray(0, 1000));
      return true;
    };
    expectWhole(await pull());
  });

  it("follows redirects, and gives the token to the hub alone", async () => {
    const cdn = await startFakeHub();
    cdn.repositories = hub.repositories;
    hub.redirectTo = cdn.url;
    process.env.HF_TOKEN = "hf_secret";
    try {
      expectWhole(await pull());
      expect(cdn.requests.length).toBe(2);
      expect(cdn.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
      expect(hub.requests.every(({ authorization }) => authorization === "Bearer hf_secret")).toBe(true);
    } finally {
      await cdn.close();
    }
  });

  it("says what is wrong in one line: no model, no access, no network, no hub", async () => {
    await expect(pullModel(parseModelName("sea/none"), { cache })).rejects.toThrow(/there is no such thing on 127/);
    hub.repositories["sea/fish"].token = "hf_right";
    await expect(pull()).rejects.toThrow(/HF_TOKEN is not set, and without it you have no access/);
    process.env.HF_TOKEN = "hf_right";
    expectWhole(await pull());
    process.env.HF_ENDPOINT = "http://127.0.0.1:9";
    await expect(pullModel(parseModelName("sea/other"), { cache })).rejects.toThrow(
      /127\.0\.0\.1:9 cannot be reached \([^\n]*$/,
    );
  });

  it("uses what is here when the network is gone, or forbidden", async () => {
    const folder = await pull();
    process.env.HF_ENDPOINT = "http://127.0.0.1:9";
    expect(await pull()).toBe(folder);
    process.env.HF_HUB_OFFLINE = "1";
    expect(await pull()).toBe(folder);
    expect(await pullModel(parseModelName(`sea/fish@${COMMIT}`), { cache })).toBe(folder);
    await expect(pullModel(parseModelName("sea/other"), { cache })).rejects.toThrow(/HF_HUB_OFFLINE forbids/);
  });

  it("two at once fetch each file once", async () => {
    const [one, other] = await Promise.all([pull(), pull()]);
    expect(one).toBe(other);
    const fetched = hub.requests.filter(({ path }) => path.includes("/resolve/")).map(({ path }) => path);
    expect(fetched.length).toBe(new Set(fetched).size);
  });

  it("can be stopped, and goes on later", async () => {
    const stop = new AbortController();
    const stopped = pull({
      signal: stop.signal,
      onProgress: ({ bytes }: PullProgress) => bytes > 1000 && stop.abort(),
    });
    await expect(stopped).rejects.toThrow();
    expectWhole(await pull());
  });

  it("names of files do not lead out of the folder", async () => {
    for (const path of ["../evil.json", "a/../../evil.json", "/etc/x.json", "a\\..\\x.json", "a//b.json"]) {
      hub.repositories["sea/fish"].files = { [path]: Buffer.from("x") };
      await expect(pull()).rejects.toThrow(/leads out of its folder/);
    }
  });

  it("tells before it begins what it would fetch", async () => {
    const plan = await planPull(name, { cache });
    expect(plan.missingBytes).toBe(plan.totalBytes);
    expect(plan.files.map(({ path }) => path)).not.toContain("pytorch_model.bin");
    expect(existsSync(cache)).toBe(false);
    await pull({ include: ["*.json"] });
    expect((await planPull(name, { cache })).missingBytes).toBeLessThan(plan.totalBytes);
  });
});

describe("the cache", () => {
  it("lists, verifies and removes models, and follows links into a shared store", async () => {
    const folder = await pull();
    const shared = join(cache, "blobs", "ab");
    const root = repositoryFolder(cache, "sea/fish");
    mkdirSync(shared, { recursive: true });
    writeFileSync(join(shared, "feed"), weights);
    rmSync(join(root, "blobs", etagOf(weights)));
    symlinkSync(join(shared, "feed"), join(root, "blobs", etagOf(weights)));
    expectWhole(folder);
    const [model] = listCachedModels(cache);
    expect(model.repository).toBe("sea/fish");
    expect(model.snapshots[0]).toMatchObject({ commit: COMMIT, revisions: ["main"] });
    writeFileSync(join(root, "blobs", etagOf(files["config.json"])), "{}");
    rmSync(join(root, "blobs", etagOf(files["tokenizer.json"])));
    const problems: string[] = [];
    for await (const { path, problem } of verifyModel(model)) if (problem) problems.push(path);
    expect(problems).toEqual(["config.json", "tokenizer.json"]);
    removeModel(findCachedModel(name, cache), cache);
    expect(listCachedModels(cache)).toEqual([]);
    expect(existsSync(join(shared, "feed"))).toBe(true);
    expect(() => findCachedModel(name, cache)).toThrow(/is not in .* which holds no model/);
  });
});

describe("names", () => {
  it.each([
    ["sea/fish", { repository: "sea/fish", revision: "main", variant: null }],
    ["hf://sea/fish@v1.0", { repository: "sea/fish", revision: "v1.0", variant: null }],
    ["sea/fish-GGUF:Q4_K_M", { repository: "sea/fish-GGUF", revision: "main", variant: "Q4_K_M" }],
    ["sea/fish@refs/pr/1:Q8_0", { repository: "sea/fish", revision: "refs/pr/1", variant: "Q8_0" }],
  ])("%s", (text, expected) => expect(parseModelName(text)).toEqual(expected));

  it.each([
    "fish",
    "a/b/c",
    "../x",
    "sea/..",
    "sea/fish@../../x",
    "sea/fi sh",
    "",
    "/fish",
    "sea/fish@",
    "https://x/y",
  ])("%s is none", (text) => expect(() => parseModelName(text)).toThrow(/is no name of a model/));

  it("of any text are refused or safe", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!looksLikeModelName(text)) return;
        let name: ReturnType<typeof parseModelName>;
        try {
          name = parseModelName(text);
        } catch {
          return;
        }
        expect(repositoryFolder("/cache", name.repository).split("/").length).toBe(3);
        expect(name.revision).not.toContain("..");
      }),
    );
  });
});

describe("files", () => {
  const all = (...paths: string[]) => paths.map((path) => ({ path, size: 5e9, etag: "0" }));
  const gguf = all(
    "README.md",
    "m-Q4_K_M.gguf",
    "m-Q8_0-00001-of-00002.gguf",
    "m-Q8_0-00002-of-00002.gguf",
    "mmproj-F16.gguf",
  );

  it("of a GGUF repository are one model with its shards, or a question with sizes", () => {
    const chosen = (variant: string | null) => chooseModelFiles("a/b", gguf, { variant }).map(({ path }) => path);
    expect(chosen("q4_k_m")).toEqual(["m-Q4_K_M.gguf"]);
    expect(chosen("Q8_0")).toEqual(["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]);
    expect(() => chosen(null)).toThrow(/has several GGUF files; name one, .*m-Q8_0\.gguf \(10\.0 GB\)/);
    expect(() => chosen("Q2_K")).toThrow(/has no GGUF file of ":Q2_K"/);
  });

  it("are chosen by patterns whose time is linear", () => {
    const many = all(...Array.from({ length: 200 }, (_, i) => `folder/${"a".repeat(200)}${i}.json`));
    expect(chooseModelFiles("a/b", many, { include: ["*1.json"] }).length).toBe(20);
    expect(() => chooseModelFiles("a/b", many, { include: [`${"*a".repeat(60)}b`] })).toThrow(/no file matches/);
    expect(chooseModelFiles("a/b", many, { include: ["folder/"], exclude: ["*9.json"] }).length).toBe(180);
  });

  it("without weights are refused", () => {
    expect(() => chooseModelFiles("a/b", all("config.json", "pytorch_model.bin"), {})).toThrow(
      /no weights in safetensors or GGUF/,
    );
  });
});

it("a model that was pulled is found by its name, and a path by itself", async () => {
  expect(modelFolder("models/minnow")).toBe("models/minnow");
  expect(modelFolder("./no such folder")).toBe("./no such folder");
  expect(() => modelFolder("sea/fish", cache)).toThrow(
    /^sea\/fish: there is no such folder.*; shoal pull sea\/fish fetches it$/,
  );
  const folder = await pull();
  expect(modelFolder("sea/fish", cache)).toBe(folder);
  expect(modelFolder(`sea/fish@${COMMIT}`, cache)).toBe(folder);
});
