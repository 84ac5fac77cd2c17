/** Continuous batching beside one request at a time: `node bench/engine.ts [DIR] [TOKENS]`. Tokens per second through the engine's thread. */
import { fileURLToPath } from "node:url";
import { createEngine, type Engine } from "../src/infer/index.ts";

const dir = process.argv[2] ?? fileURLToPath(new URL("../models/minnow", import.meta.url));
const tokens = Number(process.argv[3] ?? 128);

async function one(engine: Engine, seed: number): Promise<{ count: number; first: number }> {
  const began = performance.now();
  const request = {
    model: "model",
    prompt: `Story number ${seed}. Once upon a time`,
    maxTokens: tokens,
    ignoreEos: true,
  };
  let first = 0;
  for await (const event of engine.complete({ ...request, seed })) {
    first ||= performance.now() - began;
    if (event.type === "end") return { count: event.usage.completionTokens, first };
  }
  throw new Error("the answer did not end");
}

/** Tokens per second of `requests` answers, `together` at a time. */
async function measure(engine: Engine, requests: number, together: number): Promise<number> {
  const began = performance.now();
  let next = 0;
  let count = 0;
  const worker = async () => {
    while (next < requests) {
      const answer = await one(engine, next++);
      count += answer.count;
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
  return (count / (performance.now() - began)) * 1000;
}

const engine = await createEngine({ models: [{ id: "model", dir }] });
await measure(engine, 8, 8);
const alone = await measure(engine, 12, 1);
console.log(`one at a time: ${alone.toFixed(0)} tokens/s`);
for (const together of [4, 16, 64]) {
  const rate = await measure(engine, 2 * together, together);
  console.log(`${together} together: ${rate.toFixed(0)} tokens/s, ${(rate / alone).toFixed(2)} ×`);
}
await engine.close();
