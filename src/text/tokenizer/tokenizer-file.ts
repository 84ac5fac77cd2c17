/** tokenizer.json and tokenizer_config.json, as Hugging Face's tokenizers and transformers read and write them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { InputError, isThere, readRegularJson, readRegularText } from "../../base/index.ts";
import { ggufOf } from "../../checkpoint/index.ts";
import { templateFiles, templatesOf } from "../chat/template-files.ts";
import { bytesToChars, charsToBytes } from "./byte-level.ts";
import { readGgufTokenizer } from "./gguf-tokenizer.ts";
import { MergeTable } from "./merges.ts";
import { parsePreTokenizer } from "./pre-tokenizer.ts";
import { type AddedToken, Tokenizer } from "./tokenizer.ts";

export const TOKENIZER_LIMITS = {
  fileBytes: 200 * 2 ** 20,
  vocabSize: 2 ** 20,
  addedTokens: 2 ** 16,
  tokenLength: 2 ** 16,
};

type Json = Record<string, unknown>;

/** Loads the tokenizer of a Hugging Face folder, or of a GGUF file. @throws InputError naming file and field */
export function loadTokenizer(dir: string): Tokenizer {
  const gguf = ggufOf(dir);
  if (gguf !== null) {
    const { json, where, config, addsBos, ...templates } = readGgufTokenizer(gguf);
    const tokenizer = parseTokenizer(json, where, config);
    // Templates may name the token all the same.
    const bosless = addsBos ? {} : { bosId: null, named: tokenizer.namedTokens };
    return new Tokenizer({ ...tokenizer.parts, ...templates, ...bosless });
  }
  const path = join(dir, "tokenizer.json");
  const configPath = join(dir, "tokenizer_config.json");
  if (!isThere(path))
    throw new InputError(`${path}: there is no such file; a model's folder needs its tokenizer.json${insteadOf(dir)}`);
  const config = isThere(configPath) ? readRegularJson(configPath, TOKENIZER_LIMITS.fileBytes) : {};
  const { parts } = parseTokenizer(readRegularJson(path, TOKENIZER_LIMITS.fileBytes), path, config);
  const { chat, tools } = templatesOf(dir, config);
  return new Tokenizer({ ...parts, chatTemplate: chat, toolTemplate: tools });
}

/** What a folder brings in place of a tokenizer.json. */
function insteadOf(dir: string): string {
  const other = ["tiktoken.model", "tokenizer.model", "vocab.json"].find((name) => isThere(join(dir, name)));
  return other === undefined
    ? ""
    : ` (Shoal does not read its ${other}; AutoTokenizer's save_pretrained may make one of it)`;
}

/**
 * Builds a tokenizer from a parsed tokenizer.json of DeepSeek's kind: byte-level BPE behind Split steps.
 * @param where the file's name, for errors
 * @param config a parsed tokenizer_config.json: bos, eos and, as text, the chat template
 */
export function parseTokenizer(json: unknown, where: string, config?: unknown): Tokenizer {
  const file = asObject(json, where, "the file");
  const model = asObject(file.model, where, "model");
  const fail = (message: string): never => {
    throw new InputError(`${where}: ${message}`);
  };
  if (model.type !== "BPE") fail(`model.type ${JSON.stringify(model.type)} is not supported; known is "BPE"`);
  for (const field of [
    "dropout",
    "unk_token",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "byte_fallback",
    "ignore_merges",
  ]) {
    if (model[field]) fail(`model.${field} ${JSON.stringify(model[field])} is not supported`);
  }
  checkNormalizer(file.normalizer, where);
  const vocab = asObject(model.vocab, where, "model.vocab");
  const added = readAdded(file.added_tokens, where);
  const size = 1 + Math.max(-1, ...added.map(({ id }) => id), maxId(vocab, where));
  if (size > TOKENIZER_LIMITS.vocabSize)
    fail(`vocabulary of ${size} ids; at most ${TOKENIZER_LIMITS.vocabSize} are allowed`);

  const bytes: Uint8Array[] = Array.from({ length: size }, () => new Uint8Array(0));
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  const isAdded = new Set(addedIds.values());
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab) as [string, number][]) {
    ids.set(token, id);
    const declared = addedIds.get(token);
    if (declared !== undefined && declared !== id)
      fail(`added_tokens: ${JSON.stringify(token)} has the id ${declared} there and ${id} in model.vocab`);
    if (isAdded.has(id)) continue;
    bytes[id] =
      charsToBytes(token) ??
      fail(
        `model.vocab: token ${JSON.stringify(token)} has characters outside the byte alphabet; only byte-level BPE is supported`,
      );
  }
  for (const { content, id } of added) bytes[id] = new TextEncoder().encode(content);

  if (!Array.isArray(model.merges)) fail("model.merges must be a list");
  const list = model.merges as unknown[];
  const merges = new MergeTable(size, list.length);
  const mergeList: [number, number, number][] = [];
  list.forEach((entry, i) => {
    const [left, right] = Array.isArray(entry) ? entry : String(entry).split(" ");
    const triple = [ids.get(left), ids.get(right), ids.get(`${left}${right}`)] as [number, number, number];
    if (triple.some((id) => id === undefined))
      fail(`model.merges[${i}] ${JSON.stringify(entry)}: its parts or their sum are not in the vocabulary`);
    merges.add(...triple);
    mergeList.push(triple);
  });
  for (let byte = 0; byte < 256; byte++) {
    if (!ids.has(bytesToChars(Uint8Array.of(byte))))
      fail(`model.vocab lacks a token for byte ${byte}; only byte-level BPE is supported`);
  }
  const settings = config === undefined ? {} : asObject(config, where, "tokenizer_config.json");
  const contentOf = (field: string) => {
    const value = settings[field] as { content?: unknown } | string | null | undefined;
    const content = typeof value === "string" ? value : value?.content;
    return typeof content === "string" ? content : null;
  };
  const idOf = (field: string, fallback: string) =>
    added.find((token) => token.content === (contentOf(field) ?? fallback))?.id ?? null;
  const named = Object.fromEntries(
    ["pad_token", "unk_token"].flatMap((field) => (contentOf(field) === null ? [] : [[field, contentOf(field)!]])),
  );
  return new Tokenizer({
    bytes,
    merges,
    mergeList,
    preTokenize: parsePreTokenizer(file.pre_tokenizer, where),
    preTokenizerJson: file.pre_tokenizer ?? null,
    added,
    bosId: idOf("bos_token", "<｜begin▁of▁sentence｜>"),
    eosId: idOf("eos_token", "<｜end▁of▁sentence｜>"),
    chatTemplate: typeof settings.chat_template === "string" ? settings.chat_template : null,
    named,
  });
}

function asObject(value: unknown, where: string, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new InputError(`${where}: ${what} must be a JSON object`);
  return value as Json;
}

function checkNormalizer(normalizer: unknown, where: string): void {
  if (normalizer === null || normalizer === undefined) return;
  const { type, normalizers } = normalizer as { type?: unknown; normalizers?: unknown };
  if (type === "Sequence" && Array.isArray(normalizers) && normalizers.length === 0) return;
  throw new InputError(
    `${where}: normalizer ${JSON.stringify(type)} is not supported; byte-level tokenizers of DeepSeek's kind have none`,
  );
}

function maxId(vocab: Json, where: string): number {
  let largest = -1;
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= TOKENIZER_LIMITS.vocabSize) {
      throw new InputError(
        `${where}: model.vocab[${JSON.stringify(token)}] must be an id from 0 to ${TOKENIZER_LIMITS.vocabSize - 1}, not ${JSON.stringify(id)}`,
      );
    }
    largest = Math.max(largest, id as number);
  }
  return largest;
}

function readAdded(list: unknown, where: string): AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list) || list.length > TOKENIZER_LIMITS.addedTokens)
    throw new InputError(`${where}: added_tokens must be a list of at most ${TOKENIZER_LIMITS.addedTokens}`);
  return list.map((entry, i) => {
    const { id, content, special, single_word, lstrip, rstrip } = asObject(entry, where, `added_tokens[${i}]`);
    if (
      !Number.isInteger(id) ||
      (id as number) < 0 ||
      (id as number) >= TOKENIZER_LIMITS.vocabSize ||
      typeof content !== "string" ||
      content.length > TOKENIZER_LIMITS.tokenLength
    ) {
      throw new InputError(
        `${where}: added_tokens[${i}] needs an id below ${TOKENIZER_LIMITS.vocabSize} and a content`,
      );
    }
    if (single_word || lstrip || rstrip)
      throw new InputError(`${where}: added_tokens[${i}]: single_word, lstrip and rstrip are not supported`);
    return { id: id as number, content, special: special === true };
  });
}

/**
 * A folder's files of its tokenizer and templates, by their paths in it, for another folder. Files that have special tokens beside the
 * vocabulary only, as Shoal once wrote them, are mended: others would give those tokens other ids.
 */
export function tokenizerFiles(dir: string): Record<string, string> {
  const names = ["tokenizer_config.json", "special_tokens_map.json", "chat_template.json"];
  const there = [...names.filter((name) => isThere(join(dir, name))), ...templateFiles(dir)];
  const text = (name: string) => readRegularText(join(dir, name), TOKENIZER_LIMITS.fileBytes);
  return {
    "tokenizer.json": withAddedInVocabulary(text("tokenizer.json")),
    ...Object.fromEntries(there.map((name) => [name, text(name)])),
  };
}

/** A tokenizer.json in whose vocabulary those added tokens stand that Hugging Face would number otherwise. */
function withAddedInVocabulary(text: string): string {
  const file = JSON.parse(text) as { model: { vocab: Record<string, number> }; added_tokens?: AddedToken[] };
  const { vocab } = file.model;
  const added = file.added_tokens ?? [];
  const size = Object.keys(vocab).length;
  let next = size;
  const missing = added.filter(({ content }) => !Object.hasOwn(vocab, content));
  if (missing.every(({ id }) => id === next++)) return text;
  const entries = [...Object.entries(vocab), ...missing.map(({ content, id }) => [content, id] as const)];
  file.model.vocab = Object.fromEntries(entries.sort((a, b) => a[1] - b[1]));
  return `${JSON.stringify(file)}\n`;
}

/** The tokenizer.json of a tokenizer. */
export function tokenizerToJson(tokenizer: Tokenizer): Json {
  const { bytes, mergeList, added, preTokenizerJson } = tokenizer.parts;
  // Hugging Face's tokenizers number added tokens that the vocabulary lacks anew, behind it: all of them must stand in both.
  const contents = new Map(added.map(({ content, id }) => [id, content]));
  const written = bytes.map(bytesToChars);
  const vocab = new Map<string, number>();
  written.forEach((token, id) => {
    const key = contents.get(id) ?? token;
    if (key !== "" && !vocab.has(key)) vocab.set(key, id);
  });
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special }) => ({ id, content, ...flags, special })),
    normalizer: null,
    pre_tokenizer: preTokenizerJson,
    post_processor: postProcessor(tokenizer, byteLevel),
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(vocab),
      merges: mergeList.map(([left, right]) => [written[left], written[right]]),
    },
  };
}

/** Puts the beginning of sentence before plain text, as `add_bos_token` says: transformers heeds only this where a tokenizer.json has one. */
function postProcessor({ parts: { added, bosId } }: Tokenizer, byteLevel: Json): Json {
  const bos = added.find(({ id }) => id === bosId)?.content;
  if (bos === undefined) return byteLevel;
  const special = { SpecialToken: { id: bos, type_id: 0 } };
  const text = (id: "A" | "B", type_id: number) => ({ Sequence: { id, type_id } });
  const template = {
    type: "TemplateProcessing",
    single: [special, text("A", 0)],
    pair: [special, text("A", 0), { SpecialToken: { id: bos, type_id: 1 } }, text("B", 1)],
    special_tokens: { [bos]: { id: bos, ids: [bosId], tokens: [bos] } },
  };
  return { type: "Sequence", processors: [byteLevel, template] };
}

/** Writes tokenizer.json and tokenizer_config.json, which transformers loads as a fast tokenizer. */
export function saveTokenizer(tokenizer: Tokenizer, dir: string, extra: Json = {}): void {
  const { added, bosId, eosId, chatTemplate } = tokenizer.parts;
  const content = (id: number | null) => added.find((token) => token.id === id)?.content ?? null;
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_bos_token: bosId !== null,
    add_eos_token: false,
    bos_token: content(bosId),
    eos_token: content(eosId),
    pad_token: content(eosId),
    clean_up_tokenization_spaces: false,
    ...(chatTemplate !== null && { chat_template: chatTemplate }),
    ...extra,
  };
  writeFileSync(join(dir, "tokenizer.json"), `${JSON.stringify(tokenizerToJson(tokenizer))}\n`);
  writeFileSync(join(dir, "tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`);
}
