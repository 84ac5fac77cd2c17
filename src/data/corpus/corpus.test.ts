import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type ChatMessage, DEEPSEEK_TEMPLATE, trainBpe } from "../../text/index.ts";
import {
  documentsOf,
  explainSkipped,
  type Held,
  sampleTexts,
  type TokeniseProgress,
  textOf,
  tokenise,
} from "../index.ts";
import { Encoders, encodeDocuments } from "./encode.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-corpus-"));
afterAll(() => rmSync(dir, { recursive: true }));
const cache = join(dir, "cache");

const tokenizer = trainBpe({
  texts: ["the red fish and the blue boat ".repeat(20)],
  vocabSize: 290,
  digits: 1,
  chatTemplate: DEEPSEEK_TEMPLATE,
});

function jsonl(name: string, rows: unknown[]): string {
  const path = join(dir, name);
  writeFileSync(path, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return path;
}

describe("texts for a tokenizer", () => {
  it("come from all of a source, in order, and are always the same", async () => {
    const lines = Array.from({ length: 400 }, (_, i) => `${i < 200 ? "English" : "中文"} ${i}`);
    const source = {
      path: jsonl(
        "two-halves.jsonl",
        lines.map((text) => ({ text })),
      ),
    };
    const whole = Buffer.byteLength(lines.join(""));
    expect(await sampleTexts([source], whole, () => ({}))).toEqual(lines);
    const some = await sampleTexts([source], whole / 4, () => ({}));
    expect(some).toEqual(lines.filter((line) => some.includes(line)));
    expect(Buffer.byteLength(some.join(""))).toBeGreaterThanOrEqual(whole / 4);
    expect(Buffer.byteLength(some.join(""))).toBeLessThan(whole / 4 + 20);
    const chinese = some.filter((line) => line.startsWith("中")).length / some.length;
    expect(chinese).toBeGreaterThan(0.35);
    expect(chinese).toBeLessThan(0.65);
    expect(await sampleTexts([source], whole / 4, () => ({}))).toEqual(some);
  });
});

describe("tokenise", () => {
  const rows = [{ text: "the red fish" }, { text: "<｜end▁of▁sentence｜>" }, "{broken", { text: "blue 🐟" }];

  it("a document is bos, its text, eos; special tokens in the text are only text", async () => {
    const corpus = await tokenise({ path: jsonl("a.jsonl", rows) }, tokenizer, cache);
    const documents = [...corpus.starts.subarray(0, -1)].map((start, i) => [
      ...corpus.tokens.subarray(start, corpus.starts[i + 1]),
    ]);
    expect(documents.map((ids) => tokenizer.decode(ids.slice(1, -1)))).toEqual([
      "the red fish",
      "<｜end▁of▁sentence｜>",
      "blue 🐟",
    ]);
    for (const ids of documents) {
      expect(ids[0]).toBe(tokenizer.bosId);
      expect(ids.indexOf(tokenizer.eosId!)).toBe(ids.length - 1);
    }
    expect(corpus.skipped).toBe(1);
    expect(corpus.textBytes).toBe(Buffer.byteLength("the red fish<｜end▁of▁sentence｜>blue 🐟"));
    expect(corpus.mask.every((bit) => bit === 1)).toBe(true);
  });

  it("in a chat only the assistant's words and its end count", async () => {
    const messages = [
      { role: "user", content: "the fish" },
      { role: "assistant", content: "the boat" },
    ];
    const { tokens, mask } = await tokenise({ path: jsonl("chat.jsonl", [{ messages }]) }, tokenizer, cache);
    const counted = [...tokens].filter((_, i) => mask[i]);
    expect(counted.at(-1)).toBe(tokenizer.eosId);
    expect(tokenizer.decode(counted.slice(0, -1))).toBe("the boat");
  });

  it("keeps what it did: the second time nothing is tokenised, a changed file is", async () => {
    const path = jsonl("kept.jsonl", [{ text: "red" }]);
    const files = () => readdirSync(cache).filter((name) => name.startsWith("kept"));
    const first = await tokenise({ path }, tokenizer, cache);
    const [name] = files();
    expect(await tokenise({ path }, tokenizer, cache)).toEqual(first);
    expect(files()).toEqual([name]);
    jsonl("kept.jsonl", [{ text: "red boat" }]);
    expect((await tokenise({ path }, tokenizer, cache)).tokens.length).toBeGreaterThan(first.tokens.length);
  });

  it("goes by content: files of one name, size and time are two corpora, a file moved elsewhere is one", async () => {
    for (const folder of ["one", "two"]) mkdirSync(join(dir, folder));
    const paths = ["one/same.jsonl", "two/same.jsonl"].map((name, i) => jsonl(name, [{ text: `${i} fish` }]));
    for (const path of paths) utimesSync(path, 1.7e9, 1.7e9);
    const [first, second] = [
      await tokenise({ path: paths[0] }, tokenizer, cache),
      await tokenise({ path: paths[1] }, tokenizer, cache),
    ];
    expect([...first.tokens]).not.toEqual([...second.tokens]);
    const files = readdirSync(cache);
    renameSync(join(dir, "one"), join(dir, "three"));
    utimesSync(join(dir, "three/same.jsonl"), 1.6e9, 1.6e9);
    expect(await tokenise({ path: join(dir, "three/same.jsonl") }, tokenizer, cache)).toEqual(first);
    expect(readdirSync(cache)).toEqual(files);
  });

  it("a cache with any byte changed is refused in one line, and never read", async () => {
    const own = join(dir, "own-cache");
    const path = jsonl("damage.jsonl", [{ text: "the red fish" }, "{", { text: "the blue boat" }]);
    const whole = await tokenise({ path }, tokenizer, own);
    const file = join(own, readdirSync(own)[0]);
    // What is mapped sees what is written over it.
    const tokens = [...whole.tokens];
    const bytes = readFileSync(file);
    const end = bytes.length;
    const data = end - whole.tokens.byteLength - whole.mask.length - whole.starts.byteLength;
    for (const at of [data, data + 1, data + whole.tokens.byteLength, end - whole.starts.byteLength, end - 1]) {
      const hurt = Buffer.from(bytes);
      hurt[at] ^= 0xff;
      writeFileSync(file, hurt);
      await expect(tokenise({ path }, tokenizer, own)).rejects.toThrow(
        /^[^\n]*damage\.jsonl-\w+\.safetensors: is damaged \([^\n]*checksum\); delete it, and it is made again$/,
      );
    }
    writeFileSync(file, Buffer.from(bytes).fill(0xff, data, data + whole.tokens.byteLength));
    await expect(tokenise({ path }, tokenizer, own)).rejects.toThrow(/is damaged/);
    rmSync(file);
    expect([...(await tokenise({ path }, tokenizer, own)).tokens]).toEqual(tokens);
  });

  it("tells what it read and did not use, and what of a folder it passed over", async () => {
    mkdirSync(join(dir, "mixed"));
    const messages = [
      { role: "user", content: "red", name: "Ann" },
      { role: "assistant", content: "fish" },
    ];
    jsonl("mixed/chat.jsonl", [{ messages }]);
    jsonl("mixed/page.rst", ["the boat"]);
    for (let again = 0; again < 2; again++)
      expect(await tokenise({ path: join(dir, "mixed") }, tokenizer, cache)).toMatchObject({
        noted: { "fields of messages not used: name": 1 },
        passedOver: { ".rst": { files: 1, bytes: 8 } },
      });
    const both = await tokenise({ path: join(dir, "mixed"), include: ["*.rst"] }, tokenizer, cache);
    expect([both.starts.length - 1, both.passedOver]).toEqual([2, {}]);
  });

  it("a file with no text is an error", async () => {
    await expect(tokenise({ path: jsonl("none.jsonl", ["{", "[]"]) }, tokenizer, cache)).rejects.toThrow(
      /none\.jsonl: there is no text in it \(2 documents skipped: 1 not valid JSON, 1 has no text or messages\)/,
    );
  });

  it("counts what it skipped by reason, and refuses it where the recipe says so, also from the cache", async () => {
    const path = jsonl("counted.jsonl", ["{", { text: "red" }, { text: " " }, "{x", { words: "none" }]);
    const { skipped, skippedBy } = await tokenise({ path }, tokenizer, cache);
    expect(skipped).toBe(4);
    expect(skippedBy).toEqual({ "not valid JSON": 2, empty: 1, "has no text or messages": 1 });
    expect(explainSkipped(skippedBy)).toMatch(/^4 documents skipped: 2 not valid JSON, /);
    const strict = { onBad: "refuse" as const };
    await expect(tokenise({ path }, tokenizer, cache, strict)).rejects.toThrow(
      /counted\.jsonl: something in it is bad \(4/,
    );
    await expect(tokenise({ path }, tokenizer, join(dir, "other"), strict)).rejects.toThrow(
      /counted\.jsonl:1: not valid/,
    );
    expect(readdirSync(join(dir, "other"))).toEqual([]);
  });

  it("a field of one's own makes another corpus of the same file", async () => {
    const path = jsonl("fields.jsonl", [{ text: "red", other: "the blue boat" }]);
    const plain = await tokenise({ path }, tokenizer, cache);
    const other = await tokenise({ path, field: "other" }, tokenizer, cache);
    expect(tokenizer.decode([...other.tokens].slice(1, -1))).toBe("the blue boat");
    expect(other.tokens).not.toEqual(plain.tokens);
  });
});

describe("in parallel", () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ text: `fish ${i} and the blue boat `.repeat(1 + (i % 50)) }));
  const messages = [
    { role: "user", content: "the fish" },
    { role: "assistant", content: "the boat" },
  ];

  it("threads give the same tokens in the same order as none", async () => {
    const documents = [...rows, { messages: messages as ChatMessage[] }];
    const inline = documents.map((document) => encodeDocuments([document], tokenizer));
    const encoders = new Encoders(tokenizer, 3, 0);
    const encoded = await Promise.all(documents.map((document) => encoders.encode([document], 1)));
    await encoders.close();
    expect(encoded).toEqual(inline);
  });

  it("tells how far it is, and stops when it is told to, leaving nothing", async () => {
    const path = jsonl("large.jsonl", Array.from({ length: 25 }, () => rows).flat());
    const seen: TokeniseProgress[] = [];
    const whole = await tokenise({ path }, tokenizer, cache, { onProgress: (progress) => seen.push({ ...progress }) });
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.at(-1)).toMatchObject({ documents: 7500, tokens: whole.tokens.length, share: 1, secondsLeft: 0 });
    const controller = new AbortController();
    const stopped = tokenise({ path }, tokenizer, join(dir, "stopped"), {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toThrow(/abort/);
    expect(readdirSync(join(dir, "stopped"))).toEqual([]);
  });
});

describe("a share held for validation", () => {
  const rows = Array.from({ length: 2000 }, (_, i) => ({ text: `fish number ${i % 1900}` }));
  const textsOf = async (held?: Held) => {
    const texts: string[] = [];
    for await (const document of documentsOf({ path: jsonl("held.jsonl", rows), held })) texts.push(textOf(document));
    return texts;
  };

  it("is chosen by the hash of the text: training and validation are apart, together everything, and always the same", async () => {
    const training = await textsOf({ share: 0.05, part: "training" });
    const validation = await textsOf({ share: 0.05, part: "validation" });
    expect(training.length + validation.length).toBe(2000);
    expect(validation.length / 2000).toBeCloseTo(0.05, 1);
    const known = new Set(training);
    expect(validation.filter((text) => known.has(text))).toEqual([]);
    expect(await textsOf({ share: 0.05, part: "validation" })).toEqual(validation);
    expect((await textsOf({ share: 0.1, part: "validation" })).filter((text) => validation.includes(text))).toEqual(
      validation,
    );
  });

  it("has a cache of its own, and tasks are held as files are", async () => {
    const source = { tasks: ["arithmetic" as const], count: 400, seed: 1 };
    const all = await tokenise(source, tokenizer, cache);
    const parts = await Promise.all(
      (["training", "validation"] as const).map((part) =>
        tokenise({ ...source, held: { share: 0.2, part } }, tokenizer, cache),
      ),
    );
    expect(parts[0].tokens.length + parts[1].tokens.length).toBe(all.tokens.length);
    expect(parts[1].starts.length).toBeLessThan(parts[0].starts.length / 2);
  });
});
