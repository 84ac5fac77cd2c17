/** Speed of reading prompts and of writing tokens. */
import { LatentCache, type ModelConfig, type ModelWeights, Transformer } from "../model/index.ts";
import { Arena, type Kernels, Tape, type Weight } from "../tensor/index.ts";
import { type Timing, timingOf } from "./measure.ts";

export interface PrefillBench {
  pass: Timing;
  tokensPerSecond: number;
}

/** Passes over a prompt of `tokens` through the cache, in one chunk, with the logits of its last token. */
export function benchPrefill(
  config: ModelConfig,
  weights: ModelWeights,
  kernels: Kernels,
  tokens = 512,
  runs = 7,
): PrefillBench {
  const transformer = new Transformer(config, weights);
  const cache = new LatentCache(config, tokens, "bf16");
  const arena = new Arena(64 << 20);
  const ids = Int32Array.from({ length: tokens }, (_, i) => 2 + ((i * 7919) % (config.vocabSize - 2)));
  const seconds: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const started = performance.now();
    arena.reset();
    const tape = new Tape({ kernels, arena, precision: "bf16" });
    const hidden = transformer.forwardCached(tape, ids, [{ rowStart: 0, past: 0, count: tokens }], cache);
    const D = config.hiddenSize;
    transformer.logits(tape, { data: hidden.data.subarray((tokens - 1) * D), shape: [1, D], grad: null });
    if (run > 0) seconds.push((performance.now() - started) / 1000);
  }
  const pass = timingOf(seconds);
  return { pass, tokensPerSecond: tokens / pass.median };
}

export interface DecodeBench {
  step: Timing;
  tokensPerSecond: number;
  /** Bytes of weights that a step must read: everything but the embedding and, of the experts, those not chosen. */
  bytesPerStep: number;
}

/** Steps that each add one token to each of `sequences` sequences with `past` tokens behind them. */
export function benchDecode(
  config: ModelConfig,
  weights: ModelWeights,
  kernels: Kernels,
  { sequences = 1, past = 128, steps = 64 } = {},
): DecodeBench {
  const transformer = new Transformer(config, weights);
  const rows = past + steps + 4;
  const cache = new LatentCache(config, rows * sequences, "bf16");
  const arena = new Arena(64 << 20);
  const seconds: number[] = [];
  for (let step = 0; step < steps + 4; step++) {
    const started = performance.now();
    arena.reset();
    const tape = new Tape({ kernels, arena, precision: "bf16" });
    const ids = Int32Array.from(
      { length: sequences },
      (_, s) => 2 + ((step * 7919 + s * 104729) % (config.vocabSize - 2)),
    );
    const spans = Array.from({ length: sequences }, (_, s) => ({ rowStart: s * rows, past: past + step, count: 1 }));
    transformer.logits(tape, transformer.forwardCached(tape, ids, spans, cache));
    if (step >= 4) seconds.push((performance.now() - started) / 1000);
  }
  const step = timingOf(seconds);
  return { step, tokensPerSecond: sequences / step.median, bytesPerStep: bytesRead(config, weights) };
}

function bytesRead(config: ModelConfig, weights: ModelWeights): number {
  let bytes = 0;
  for (const { slot, weight } of weights.slots) {
    if (weight === weights.embed && !config.tieWordEmbeddings) continue;
    const share = slot.shape.length === 3 ? config.numExpertsPerTok / config.nRoutedExperts : 1;
    bytes += bytesOf(weight) * share;
  }
  return bytes;
}

function bytesOf({ quantised, data }: Weight): number {
  return quantised ? quantised.codes.byteLength + quantised.scales.byteLength : data.byteLength;
}

/** Bytes of all weights as they are held. */
export function heldBytes(weights: ModelWeights): number {
  return weights.slots.reduce((sum, { weight }) => sum + bytesOf(weight), 0);
}
