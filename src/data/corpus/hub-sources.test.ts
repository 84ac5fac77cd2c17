/** Downloads from a server on this machine that answers as the hub does. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { type DownloadOptions, documentFiles, documentsOf } from "../index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-hub-"));
let server: Server;
let requests: { url: string; range?: string; authorization?: string }[] = [];
/** Takes a request over; false leaves it to the files below. */
let answer: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
let downloads: string;

const table = (texts: string[]) => Buffer.from(parquetWriteBuffer({ columnData: [{ name: "text", data: texts }] }));
const lines = Buffer.from('{"text": "a line"}\n');
const repositories: Record<string, Record<string, Record<string, Buffer>>> = {
  "sea/fish": {
    "refs/convert/parquet": {
      "default/train/0000.parquet": table(["one", "two"]),
      "default/train/0001.parquet": table(["three"]),
      "default/test/0000.parquet": table(["a test"]),
    },
    v1: { "data/train.jsonl": lines, "data/test.jsonl": lines, "README.md": Buffer.from("# Fish") },
  },
  "sea/many": {
    "refs/convert/parquet": {
      "en/partial-train/0000.parquet": table(["yes"]),
      "fr/train/0000.parquet": table(["oui"]),
    },
  },
  "sea/raw": { main: { "poems.txt": Buffer.from("A poem."), "README.md": Buffer.from("# Poems"), "x.png": lines } },
  "sea/empty": { main: { "x.png": lines } },
};

function respond(request: IncomingMessage, response: ServerResponse): void {
  const { range, authorization } = request.headers;
  requests.push({ url: request.url!, range, authorization });
  if (answer(request, response)) return;
  const tree = /^\/api\/datasets\/(.+)\/tree\/([^/?]+)\?recursive=true(&page=2)?$/.exec(request.url!);
  const file = /^\/datasets\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(request.url!);
  const [, name, revision] = tree ?? file ?? [];
  const files = repositories[name]?.[decodeURIComponent(revision)];
  if (!files) {
    response.writeHead(404).end("{}");
    return;
  }
  if (file) {
    const bytes = files[file[3]];
    const from = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from }).end(bytes.subarray(from));
    return;
  }
  const entries = Object.entries(files).map(([path, bytes]) => ({
    type: "file",
    path,
    size: bytes.length,
    lfs: { oid: createHash("sha256").update(bytes).digest("hex") },
  }));
  // Two pages, as the hub has for many files.
  const second = tree![3] !== undefined;
  const half = Math.ceil(entries.length / 2);
  const next = second ? {} : { link: `<http://${request.headers.host}${request.url}&page=2>; rel="next"` };
  response.writeHead(200, next).end(JSON.stringify(second ? entries.slice(half) : entries.slice(0, half)));
}

const environment = { ...process.env };
beforeAll(async () => {
  server = createServer(respond);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  downloads = mkdtempSync(join(dir, "cache-"));
  requests = [];
  answer = () => false;
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  delete process.env.HF_TOKEN;
});
afterEach(() => {
  process.env = { ...environment };
});

const texts = async (source: Parameters<typeof documentsOf>[0], options: DownloadOptions = {}) => {
  const all: string[] = [];
  for await (const document of documentsOf(source, { downloads, ...options }))
    all.push("text" in document ? document.text : "chat");
  return all;
};

it("the converted files of a split are downloaded once, in order, and then read without the hub", async () => {
  expect(await texts({ dataset: "sea/fish" })).toEqual(["one", "two", "three"]);
  expect(await texts({ dataset: "sea/fish", split: "test" })).toEqual(["a test"]);
  const before = requests.length;
  process.env.HF_ENDPOINT = "http://127.0.0.1:9";
  expect(await texts({ dataset: "sea/fish" })).toEqual(["one", "two", "three"]);
  expect(requests.length).toBe(before);
});

it("a config and a revision are found, and files that are not converted", async () => {
  expect(await texts({ dataset: "sea/many", config: "fr" })).toEqual(["oui"]);
  expect(await texts({ dataset: "sea/many", config: "en" })).toEqual(["yes"]);
  expect(await texts({ dataset: "sea/fish", revision: "v1", split: "test" })).toEqual(["a line"]);
  expect(await texts({ dataset: "sea/raw" })).toEqual(["A poem."]);
});

it("what is not there is said in one line, with what there is", async () => {
  const failing: [Parameters<typeof documentsOf>[0], RegExp][] = [
    [{ dataset: "sea/none" }, /^data set "sea\/none": there is no such data set with readable files/],
    [{ dataset: "sea/empty" }, /there is no such data set with readable files \(\.parquet/],
    [{ dataset: "sea/fish", revision: "v9" }, /no revision v9 of it/],
    [{ dataset: "sea/fish", split: "dev" }, /there is no split "dev" among test, train$/],
    [{ dataset: "sea/many" }, /name a config of en, fr$/],
    [{ dataset: "sea/many", config: "de" }, /there is no config "de" among en, fr$/],
    [{ dataset: "sea/raw", split: "test" }, /no file names a split "test"/],
    [{ dataset: "../etc/passwd" }, /a name is owner\/name/],
  ];
  for (const [source, message] of failing) await expect(texts(source)).rejects.toThrow(message);
  await expect(texts({ dataset: "sea/fish" }, { mostDownloadBytes: 100 })).rejects.toThrow(
    /takes \d+ bytes, more than the limit of 100/,
  );
});

it("no network and no access are one line each", async () => {
  answer = (_, response) => Boolean(response.writeHead(401).end());
  await expect(texts({ dataset: "sea/fish" })).rejects.toThrow(
    /HF_TOKEN is not set, and without it you have no access/,
  );
  process.env.HF_TOKEN = "hf_x";
  await expect(texts({ dataset: "sea/fish" })).rejects.toThrow(
    /the account of your token has no access to it, or it does not exist \(401\)/,
  );
  expect(requests.at(-1)!.authorization).toBe("Bearer hf_x");
  answer = (_, response) => Boolean(response.writeHead(200).end("<html>"));
  await expect(texts({ dataset: "sea/fish" })).rejects.toThrow(/did not answer with a list of files/);
  process.env.HF_ENDPOINT = "http://127.0.0.1:9";
  await expect(texts({ dataset: "sea/fish" })).rejects.toThrow(
    /^data set "sea\/fish": 127\.0\.0\.1:9 cannot be reached \(.*\); check the network[^\n]*$/,
  );
});

it("a download that breaks off goes on where it stopped", async () => {
  let broken = 0;
  let breakOff = () => {};
  answer = (request, response) => {
    if (!request.url!.includes("train/0000") || broken++ > 0) return false;
    const bytes = repositories["sea/fish"]["refs/convert/parquet"]["default/train/0000.parquet"];
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, 100));
    breakOff = () => response.destroy();
    return true;
  };
  const seen: number[] = [];
  const onDownload = ({ bytes }: { bytes: number }) => {
    seen.push(bytes);
    // Once the first bytes have arrived, the connection goes.
    breakOff();
  };
  expect(await texts({ dataset: "sea/fish" }, { onDownload })).toEqual(["one", "two", "three"]);
  expect(requests.filter(({ range }) => range).map(({ range }) => range)).toEqual(["bytes=100-"]);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
});

it("a file that arrives damaged is not kept", async () => {
  answer = (request, response) => {
    if (!request.url!.includes("/resolve/")) return false;
    const { length } = repositories["sea/raw"].main["poems.txt"];
    response.writeHead(200).end("x".repeat(length));
    return true;
  };
  await expect(texts({ dataset: "sea/raw" })).rejects.toThrow(/poems\.txt arrived damaged twice \(its hash/);
  answer = (request, response) =>
    request.url!.includes("/resolve/") && Boolean(response.writeHead(200).end("longer than it should be"));
  await expect(texts({ dataset: "sea/raw" })).rejects.toThrow(/is longer than the 7 bytes/);
  answer = () => false;
  expect(await texts({ dataset: "sea/raw" })).toEqual(["A poem."]);
});

it("names from the hub do not lead out of the folder", async () => {
  const evil = Buffer.from("evil");
  repositories["sea/evil"] = { main: { "../../../evil.txt": evil } };
  answer = (request, response) => request.url!.endsWith("evil.txt") && Boolean(response.writeHead(200).end(evil));
  const [path] = await documentFiles({ dataset: "sea/evil" }, { downloads });
  expect(path.startsWith(downloads)).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("evil");
  expect(readdirSync(dir)).not.toContain("evil.txt");
});

it("a half-written file of an earlier attempt is finished", async () => {
  await documentFiles({ dataset: "sea/raw" }, { downloads });
  const [path] = await documentFiles({ dataset: "sea/raw" }, { downloads });
  rmSync(path);
  writeFileSync(`${path}.part`, "A p");
  requests = [];
  await documentFiles({ dataset: "sea/raw" }, { downloads });
  expect(requests.map(({ range }) => range)).toEqual(["bytes=3-"]);
  expect(readFileSync(path, "utf8")).toBe("A poem.");
  expect(existsSync(`${path}.part`)).toBe(false);
});
