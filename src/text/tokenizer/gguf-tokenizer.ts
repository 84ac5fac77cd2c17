/** The tokenizer that a GGUF file's metadata describe, as the tokenizer.json that it was made of would. */
import { InputError } from "../../base/index.ts";
import { GgufFields, openGguf } from "../../checkpoint/index.ts";
import { deepseekPreTokenizer } from "./pre-tokenizer.ts";

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
const NORMAL = 1;
const USER_DEFINED = 4;
const UNUSED = 5;

const byteLevel = (use_regex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});
const splitBy = (...expressions: string[]) => ({
  type: "Sequence",
  pretokenizers: [
    ...expressions.map((Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false })),
    byteLevel(false),
  ],
});
/** cl100k's words, as Llama 3, Qwen and GLM have them, with numbers in runs that this matches. */
const words = (number: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${number}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** How text is cut, by the names of `tokenizer.ggml.pre`: files have the name alone. */
const CUTS: ReadonlyMap<string, object> = new Map([
  ["deepseek-v3", deepseekPreTokenizer(3)],
  // Shoal's own: as DeepSeek-V3's, each digit by itself.
  ["minnow", deepseekPreTokenizer(1)],
  ["deepseek-coder", splitBy("[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", "\\p{N}")],
  ["qwen2", splitBy(words("\\p{N}"))],
  ["deepseek-r1-qwen", splitBy(words("\\p{N}"))],
  ["llama-bpe", splitBy(words("\\p{N}{1,3}"))],
  ["llama3", splitBy(words("\\p{N}{1,3}"))],
  ["glm4", splitBy(words("\\p{N}{1,3}"))],
  ["chatglm-bpe", splitBy(words("\\p{N}{1,3}"))],
  ["gpt-2", byteLevel(true)],
]);
/** Words that are tokens as they stand are not put together from their bytes. */
const IGNORES_MERGES: ReadonlySet<string> = new Set(["llama-bpe", "llama3"]);

/** What a folder's files would say. */
export interface GgufTokenizer {
  /** The file, for errors. */
  where: string;
  /** tokenizer.json */
  json: object;
  /** tokenizer_config.json */
  config: object;
  /** Whether the token that begins a text is to be put in front of it. */
  addsBos: boolean;
  chatTemplate: string | null;
  toolTemplate: string | null;
}

/** @throws InputError naming the file and the key */
export function readGgufTokenizer(path: string): GgufTokenizer {
  const { metadata, path: where } = openGguf(path);
  const fields = new GgufFields(metadata, where);
  const model = fields.text("tokenizer.ggml.model");
  if (model !== "gpt2")
    fields.fail(
      `tokenizer.ggml.model ${JSON.stringify(model)} is not supported; known is "gpt2", which is byte-level BPE`,
    );
  const pre = fields.text("tokenizer.ggml.pre", "default");
  const cut = CUTS.get(pre);
  if (!cut)
    fields.fail(`tokenizer.ggml.pre ${JSON.stringify(pre)} is not supported; known are ${[...CUTS.keys()].join(", ")}`);
  const { vocab, added, tokens } = vocabularyOf(fields);
  const merges = fields.texts("tokenizer.ggml.merges");
  const template = (key: string) => (fields.has(key) ? fields.text(key) : null);
  return {
    where,
    json: {
      added_tokens: added,
      pre_tokenizer: cut,
      model: { type: "BPE", ignore_merges: IGNORES_MERGES.has(pre), vocab, merges },
    },
    config: namesOf(fields, tokens),
    addsBos: fields.flag("tokenizer.ggml.add_bos_token", true),
    chatTemplate: template("tokenizer.chat_template"),
    toolTemplate: template("tokenizer.chat_template.tool_use"),
  };
}

function vocabularyOf(fields: GgufFields) {
  const tokens = fields.texts("tokenizer.ggml.tokens");
  const kinds = fields.has("tokenizer.ggml.token_type")
    ? fields.wholes("tokenizer.ggml.token_type")
    : tokens.map(() => NORMAL);
  if (kinds.length !== tokens.length)
    fields.fail(`tokenizer.ggml.token_type has ${kinds.length} kinds for ${tokens.length} tokens`);
  const ids = new Map<string, number>();
  const added: { id: number; content: string; special: boolean }[] = [];
  for (const [id, content] of tokens.entries()) {
    if (kinds[id] === UNUSED) continue;
    const other = ids.get(content);
    if (other !== undefined)
      fields.fail(`tokenizer.ggml.tokens: ${JSON.stringify(content)} stands there twice, as ${other} and ${id}`);
    ids.set(content, id);
    if (kinds[id] !== NORMAL) added.push({ id, content, special: kinds[id] !== USER_DEFINED });
  }
  for (const { content } of added) ids.delete(content);
  return { tokens, vocab: Object.fromEntries(ids), added };
}

/** What a tokenizer_config.json says of the tokens that have a role. */
function namesOf(fields: GgufFields, tokens: readonly string[]): Record<string, string> {
  const named = (role: string, key: string): [string, string][] => {
    if (!fields.has(key)) return [];
    const id = fields.whole(key);
    if (tokens[id] === undefined)
      throw new InputError(`${fields.path}: ${key} ${id} is none of the ${tokens.length} tokens`);
    return [[`${role}_token`, tokens[id]]];
  };
  return Object.fromEntries([
    ...named("bos", "tokenizer.ggml.bos_token_id"),
    ...named("eos", "tokenizer.ggml.eos_token_id"),
    ...named("pad", "tokenizer.ggml.padding_token_id"),
    ...named("unk", "tokenizer.ggml.unknown_token_id"),
  ]);
}
