import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadTokenizer, parseTokenizer, tokenizerFiles, tokenizerToJson, trainBpe } from "../index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-tokenizer-"));
afterAll(() => rmSync(dir, { recursive: true }));

type Json = Record<string, unknown>;
const good = () => structuredClone(tokenizerToJson(trainBpe({ texts: ["the fish the fish"], vocabSize: 266 }))) as Json;

/** The good file with one value changed. */
function changed(path: string, value: unknown): Json {
  const json = good();
  const keys = path.split(".");
  let place = json;
  for (const key of keys.slice(0, -1)) place = place[key] as Json;
  if (value === undefined) delete place[keys.at(-1)!];
  else place[keys.at(-1)!] = value;
  return json;
}

describe("a tokenizer.json that is wrong", () => {
  it("the good one is read", () => {
    expect(parseTokenizer(good(), "t.json").vocabSize).toBe(266);
  });

  it.each<[string, unknown, RegExp]>([
    ["model", undefined, /model must be a JSON object/],
    ["model.type", "Unigram", /model\.type "Unigram" is not supported; known is "BPE"/],
    ["model.type", "WordPiece", /model\.type "WordPiece"/],
    ["model.dropout", 0.1, /model\.dropout 0\.1 is not supported/],
    ["model.byte_fallback", true, /model\.byte_fallback true/],
    ["model.unk_token", "<unk>", /model\.unk_token/],
    ["model.vocab", [], /model\.vocab must be a JSON object/],
    ["model.vocab", {}, /lacks a token for byte 0|merges\[0\]/],
    ["model.vocab.a", -1, /model\.vocab\["a"\] must be an id from 0/],
    ["model.vocab.a", 1e9, /model\.vocab\["a"\] must be an id/],
    ["model.vocab.a", "x", /model\.vocab\["a"\] must be an id/],
    ["model.vocab. x", 270, /outside the byte alphabet/],
    ["model.merges", 4, /model\.merges must be a list/],
    ["model.merges", ["q"], /model\.merges\[0\] "q"/],
    ["model.merges", [["zz", "q"]], /model\.merges\[0\] .* not in the vocabulary/],
    ["added_tokens", 4, /added_tokens must be a list/],
    ["added_tokens", [null], /added_tokens\[0\] must be a JSON object/],
    ["added_tokens", [{ id: -3, content: "x" }], /added_tokens\[0\] needs an id/],
    ["added_tokens", [{ id: 300, content: "x", lstrip: true }], /lstrip/],
    ["normalizer", { type: "NFKC" }, /normalizer "NFKC" is not supported/],
    ["pre_tokenizer", { type: "Whitespace" }, /type "Whitespace" is not supported/],
    ["pre_tokenizer", { type: "Sequence" }, /pretokenizers must be a list/],
    [
      "pre_tokenizer",
      { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" },
      /cannot read the regular expression/,
    ],
    ["pre_tokenizer", { type: "Split", pattern: {}, behavior: "Isolated" }, /pattern must be/],
    ["pre_tokenizer", { type: "Split", pattern: { Regex: "a" }, behavior: "Removed" }, /only behavior "Isolated"/],
  ])("%s = %j", (path, value, message) => {
    const parse = () => parseTokenizer(changed(path, value), "t.json");
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^t\.json: [^\n]+$/);
  });

  it("no file, no JSON, no object", () => {
    expect(() => loadTokenizer(join(dir, "none"))).toThrow(/tokenizer\.json: there is no such file/);
    writeFileSync(join(dir, "tiktoken.model"), "");
    expect(() => loadTokenizer(dir)).toThrow(
      /needs its tokenizer\.json \(Shoal does not read its tiktoken\.model[^\n]*$/,
    );
    const path = join(dir, "tokenizer.json");
    writeFileSync(path, '{"model": ');
    expect(() => loadTokenizer(dir)).toThrow(/tokenizer\.json: not valid JSON/);
    writeFileSync(path, "[]");
    expect(() => loadTokenizer(dir)).toThrow(/tokenizer\.json: expected a JSON object/);
  });
});

it("ids without a token are known: nothing may draw them", () => {
  const json = good();
  (json.added_tokens as object[]).push({ id: 269, content: "<late>", special: false });
  const { holes, vocabSize } = parseTokenizer(json, "t.json");
  expect([holes, vocabSize]).toEqual([[266, 267, 268], 270]);
});

describe("added tokens", () => {
  const withThink = (special: boolean) => {
    const json = good();
    (json.added_tokens as object[]).push({ id: 266, content: "<think>", special });
    return parseTokenizer(json, "t.json");
  };

  it("that are not special are found before bytes are merged, in a user's text too; marks are not", () => {
    const tokenizer = withThink(false);
    for (const special of ["parse", "text"] as const) expect(tokenizer.encode("a<think>b", { special })).toContain(266);
    expect(tokenizer.encode("<｜User｜>", { special: "text" })).not.toContain(tokenizer.special.get("<｜User｜>"));
    expect(withThink(true).encode("a<think>b", { special: "text" })).not.toContain(266);
  });

  it("of files that have them beside the vocabulary keep their ids, and are written into it", () => {
    const json = good();
    const model = json.model as { vocab: Record<string, number> };
    for (const { content } of json.added_tokens as { content: string }[]) delete model.vocab[content];
    const old = parseTokenizer(json, "t.json");
    expect(old.special.get("<｜User｜>")).toBe(3);
    expect(tokenizerToJson(old)).toEqual(good());
  });

  it("with another id in the vocabulary are refused", () => {
    expect(() => parseTokenizer(changed("model.vocab.<｜User｜>", 260), "t.json")).toThrow(
      /added_tokens: "<｜User｜>" has the id 3 there and 260 in model\.vocab/,
    );
  });
});

it("regular expressions that never end are stopped, with one line", () => {
  const json = changed("pre_tokenizer", { type: "Split", pattern: { Regex: "(?:a+)+$" }, behavior: "Isolated" });
  const tokenizer = parseTokenizer(json, "t.json");
  expect(tokenizer.decode(tokenizer.encode("aaa b"))).toBe("aaa b");
  expect(() => tokenizer.encode(`${"a".repeat(60)}b`)).toThrow(
    /^t\.json: pre_tokenizer: .* take longer than 3 s[^\n]*$/,
  );
});

it("files that go along to another folder have every added token in the vocabulary, and the templates with them", () => {
  const from = mkdtempSync(join(dir, "from-"));
  const json = good();
  const { vocab } = json.model as { vocab: Record<string, number> };
  for (const { content } of json.added_tokens as { content: string }[]) delete vocab[content];
  writeFileSync(join(from, "tokenizer.json"), JSON.stringify(json));
  writeFileSync(join(from, "chat_template.jinja"), "x");
  const files = tokenizerFiles(from);
  expect(Object.keys(files)).toEqual(["tokenizer.json", "chat_template.jinja"]);
  expect(JSON.parse(files["tokenizer.json"]).model.vocab).toEqual((good().model as { vocab: object }).vocab);
  // Those that others number alike are left as they are.
  (json.added_tokens as unknown[]).length = 0;
  writeFileSync(join(from, "tokenizer.json"), JSON.stringify(json));
  expect(tokenizerFiles(from)["tokenizer.json"]).toBe(JSON.stringify(json));
});
