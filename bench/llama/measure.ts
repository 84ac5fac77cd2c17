/**
 * Prefill of 512 tokens and decoding beside llama.cpp, in turns within one run:
 *   npm install --prefix DIR node-llama-cpp            (outside the project: it needs 700 MB)
 *   node bench/llama/measure.ts CHECKPOINT --llama DIR/node_modules/node-llama-cpp [--types bf16,q8_0,q4_0] [--rounds 3] [--json]
 * CHECKPOINT is a Hugging Face folder of this architecture. It is written as GGUF beside the system's temporary files, and removed again.
 * Shoal prefills in bf16 and decodes in the type of the same size (int8 for q8_0, int4 for q4_0), both on two threads.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { timingOf } from "../../src/bench/measure.ts";
import { configOf, loadQuantised, loadWeights, openFolder } from "../../src/checkpoint/index.ts";
import { LatentCache, Transformer } from "../../src/model/index.ts";
import { Arena, createKernels, Tape } from "../../src/tensor/index.ts";
import { type GgufType, writeGguf } from "./gguf.ts";

/** What is used of node-llama-cpp. */
interface Llama {
  loadModel(options: { modelPath: string; gpuLayers: number }): Promise<LlamaModel>;
}
interface LlamaModel {
  createContext(options: { contextSize: number; batchSize: number; threads: number }): Promise<LlamaContext>;
  dispose(): Promise<void>;
}
interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}
interface LlamaSequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: { temperature: number; yieldEogToken: boolean }): AsyncIterable<number>;
}

const PROMPT = 512;
const ANSWER = 48;
const DTYPES = { bf16: "bf16", q8_0: "int8", q4_0: "int4" } as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    llama: { type: "string" },
    types: { type: "string", default: "bf16,q8_0,q4_0" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1 || !values.llama)
  throw new Error("usage: measure.ts CHECKPOINT --llama DIR/node_modules/node-llama-cpp");
const threads = Number(values.threads);
const kernels = createKernels({ threads });
const folder = openFolder(positionals[0]);
const config = configOf(folder);
// One for all runs: fresh pages would be timed with a prompt.
const arena = new Arena(64 << 20);
const prompt = Array.from({ length: PROMPT }, (_, i) => 2 + ((i * 7919) % (config.vocabSize - 2)));

/** Seconds to the first token, seconds of each further one, and the tokens. */
interface Run {
  prefill: number;
  step: number;
  tokens: number[];
}

async function runLlama(sequence: LlamaSequence): Promise<Run> {
  await sequence.clearHistory();
  const tokens: number[] = [];
  const began = performance.now();
  let first = 0;
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    if (tokens.length === 1) first = performance.now();
    if (tokens.length > ANSWER) break;
  }
  return { prefill: (first - began) / 1000, step: (performance.now() - first) / 1000 / ANSWER, tokens };
}

function runShoal(transformer: Transformer): Run {
  const cache = new LatentCache(config, PROMPT + ANSWER + 1, "bf16");
  const pass = (ids: number[], past: number): number => {
    arena.reset();
    const tape = new Tape({ kernels, arena, precision: "bf16" });
    const span = { rowStart: 0, past, count: ids.length };
    const { data } = transformer.forwardCached(tape, Int32Array.from(ids), [span], cache);
    const D = config.hiddenSize;
    const last = { data: data.subarray((ids.length - 1) * D), shape: [1, D], grad: null };
    const logits = transformer.logits(tape, last).data;
    return logits.indexOf(logits.reduce((most, value) => Math.max(most, value)));
  };
  const began = performance.now();
  const tokens = [pass(prompt, 0)];
  const first = performance.now();
  while (tokens.length <= ANSWER) tokens.push(pass([tokens[tokens.length - 1]], PROMPT + tokens.length - 1));
  return { prefill: (first - began) / 1000, step: (performance.now() - first) / 1000 / ANSWER, tokens };
}

const { getLlama } = (await import(pathToFileURL(join(resolve(values.llama), "dist/index.js")).href)) as {
  getLlama: (options: { gpu: false; build: "never"; maxThreads: number }) => Promise<Llama>;
};
const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads });
const scratch = mkdtempSync(join(tmpdir(), "shoal-gguf-"));
const results: Record<string, object> = {};
try {
  for (const type of values.types.split(",") as GgufType[]) {
    const dtype = DTYPES[type];
    if (!dtype) throw new Error(`--types: "${type}" is none of ${Object.keys(DTYPES).join(", ")}`);
    const path = join(scratch, `${type}.gguf`);
    writeGguf(path, folder, type, kernels);
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    const context = await model.createContext({ contextSize: 1024, batchSize: PROMPT, threads });
    const sequence = context.getSequence();
    const weights =
      dtype === "bf16" ? loadWeights(folder, config, dtype, kernels) : loadQuantised(folder, config, dtype, kernels);
    const transformer = new Transformer(config, weights);
    const peer: Run[] = [];
    const own: Run[] = [];
    for (let round = 0; round <= Number(values.rounds); round++) {
      peer.push(await runLlama(sequence));
      own.push(runShoal(transformer));
    }
    // The first round warms up.
    const rate = (runs: Run[]) => ({
      prefill: PROMPT / timingOf(runs.slice(1).map(({ prefill }) => prefill)).median,
      decode: 1 / timingOf(runs.slice(1).map(({ step }) => step)).median,
    });
    const [theirs, ours] = [rate(peer), rate(own)];
    const differs = peer[0].tokens.findIndex((token, i) => token !== own[0].tokens[i]);
    const same = differs < 0 ? peer[0].tokens.length : differs;
    results[type] = { llama: theirs, shoal: ours, same };
    console.error(
      `${type}: prefill ${theirs.prefill.toFixed(0)} and ${ours.prefill.toFixed(0)} tokens/s (${(ours.prefill / theirs.prefill).toFixed(2)} ×), ` +
        `decode ${theirs.decode.toFixed(0)} and ${ours.decode.toFixed(0)} (${(ours.decode / theirs.decode).toFixed(2)} ×); the first ${same} tokens are the same`,
    );
    await context.dispose();
    await model.dispose();
  }
} finally {
  rmSync(scratch, { recursive: true });
}
if (values.json) console.log(JSON.stringify({ checkpoint: positionals[0], threads, results }));
process.exit(0);
