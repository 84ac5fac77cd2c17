import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { createTrainingWeights, type ModelWeights, parseConfig } from "../model/index.ts";
import { createKernels } from "../tensor/index.ts";
import { contentHash } from "./content-hash.ts";
import { loadQuantised, loadWeights, openFolder, storedTensors, writeFolder } from "./index.ts";

const root = mkdtempSync(join(tmpdir(), "shoal-prepared-"));
afterAll(() => rmSync(root, { recursive: true }));
const kernels = createKernels();
const json = {
  model_type: "deepseek_v3",
  routed_scaling_factor: 1,
  vocab_size: 64,
  hidden_size: 64,
  num_hidden_layers: 2,
  first_k_dense_replace: 1,
  intermediate_size: 96,
  moe_intermediate_size: 32,
  n_routed_experts: 4,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  n_group: 1,
  topk_group: 1,
  num_attention_heads: 2,
  q_lora_rank: null,
  kv_lora_rank: 32,
  qk_nope_head_dim: 16,
  qk_rope_head_dim: 16,
  v_head_dim: 16,
  max_position_embeddings: 64,
};
const config = parseConfig(json, "prepared");

function folder(name: string, dtype: "bf16" | "f32" = "bf16", seed = 1): string {
  const dir = join(root, name);
  const { weights } = createTrainingWeights(config, seed);
  writeFolder(dir, { config: json, tensors: storedTensors(weights), dtype, kernels });
  return dir;
}

/** Every number of a model as bytes, slot by slot. */
const bytesOf = ({ slots }: ModelWeights) =>
  slots.map(({ weight: { quantised, data } }) =>
    (quantised ? [quantised.codes, quantised.scales] : [data]).map((part) =>
      Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("hex"),
    ),
  );
const load = (dir: string, dtype: "int8" | "int4") => loadQuantised(openFolder(dir), config, dtype, kernels);

it.each(["int8", "int4"] as const)(
  "%s: the copy holds what quantising the folder gives, and is used again",
  (dtype) => {
    const dir = folder(`copy-${dtype}`);
    const expected = bytesOf(loadWeights(openFolder(dir), config, dtype, kernels));
    const path = join(dir, ".shoal", `${dtype}.safetensors`);
    expect(existsSync(path)).toBe(false);
    const first = load(dir, dtype);
    expect(bytesOf(first)).toEqual(expected);
    // What was made for the copy is not kept: the weights are those of the file.
    expect(new Set(first.slots.map(({ weight: { quantised, data } }) => (quantised?.codes ?? data).buffer)).size).toBe(
      1,
    );
    const made = readFileSync(path);
    expect(bytesOf(load(dir, dtype))).toEqual(expected);
    expect(readFileSync(path).equals(made)).toBe(true);
  },
);

it("how far a copy is, is told while it is made, and not when it is there", () => {
  const dir = folder("told");
  const shares: number[] = [];
  const told = () => loadQuantised(openFolder(dir), config, "int8", kernels, (share) => shares.push(share));
  told();
  expect(shares.length).toBeGreaterThan(10);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
  shares.length = 0;
  told();
  expect(shares).toEqual([]);
});

it("a copy of other weights is made again", () => {
  const dir = folder("changed");
  const before = bytesOf(load(dir, "int8"));
  folder("changed", "bf16", 2);
  const after = bytesOf(load(dir, "int8"));
  expect(after).not.toEqual(before);
  expect(after).toEqual(bytesOf(loadWeights(openFolder(dir), config, "int8", kernels)));
});

it("a copy of other weights of the same size and times is made again", () => {
  const dir = folder("same-times");
  const path = join(dir, "model.safetensors");
  const bytes = readFileSync(path);
  const when = new Date(1_700_000_000_000);
  utimesSync(path, when, when);
  const before = bytesOf(load(dir, "int8"));
  // A few bytes, far from both ends, in place; then another file under the same name.
  for (const [i, write] of [
    () => writeFileSync(path, bytes),
    () => {
      writeFileSync(`${path}.new`, bytes);
      renameSync(`${path}.new`, path);
    },
  ].entries()) {
    bytes.fill(0x3f + i, bytes.length - 40_000, bytes.length - 30_000);
    write();
    utimesSync(path, when, when);
    const after = bytesOf(load(dir, "int8"));
    expect(after).not.toEqual(before);
    expect(after).toEqual(bytesOf(loadWeights(openFolder(dir), config, "int8", kernels)));
  }
  expect(contentHash(path)).toBe(contentHash(path));
  writeFileSync(join(dir, ".shoal", "hashes.json"), "{");
  expect(bytesOf(load(dir, "int8"))).toEqual(bytesOf(loadWeights(openFolder(dir), config, "int8", kernels)));
});

it("models of odd widths are held in 8 and 4 bits as they are without a copy", () => {
  const size = (least: number, most: number) => fc.integer({ min: least, max: most });
  const shape = fc.record({
    vocab_size: size(20, 99),
    hidden_size: fc.oneof(size(1, 99), fc.constantFrom(32, 64, 75)),
    intermediate_size: size(1, 70),
    moe_intermediate_size: fc.oneof(size(1, 40), fc.constant(32)),
    kv_lora_rank: size(1, 40),
    q_lora_rank: fc.oneof(fc.constant(null), size(1, 40)),
    v_head_dim: size(1, 20),
    qk_nope_head_dim: size(1, 20),
  });
  let n = 0;
  fc.assert(
    fc.property(shape, fc.constantFrom("int8" as const, "int4" as const), (change, dtype) => {
      const dir = join(root, `odd-${n++}`);
      const odd = { ...json, ...change, num_nextn_predict_layers: 1 };
      const config = parseConfig(odd, "odd");
      writeFolder(dir, {
        config: odd,
        tensors: storedTensors(createTrainingWeights(config, 1).weights),
        dtype: "bf16",
        kernels,
      });
      const loaded = loadQuantised(openFolder(dir), config, dtype, kernels);
      expect(existsSync(join(dir, ".shoal", `${dtype}.safetensors`))).toBe(true);
      expect(bytesOf(loaded)).toEqual(bytesOf(loadWeights(openFolder(dir), config, dtype, kernels)));
      rmSync(dir, { recursive: true });
    }),
    { seed: 75, numRuns: 40 },
  );
});

it("a damaged or cut copy is made again", () => {
  const dir = folder("damaged");
  const expected = bytesOf(load(dir, "int4"));
  const path = join(dir, ".shoal", "int4.safetensors");
  const whole = readFileSync(path);
  const flipped = Buffer.from(whole);
  flipped[flipped.length - 9] ^= 4;
  for (const bytes of [flipped, whole.subarray(0, whole.length - 64), Buffer.from("nothing")]) {
    writeFileSync(path, bytes);
    expect(bytesOf(load(dir, "int4"))).toEqual(expected);
    expect(readFileSync(path).equals(whole)).toBe(true);
  }
});

it("a folder that cannot be written is loaded all the same", () => {
  const dir = folder("read-only");
  writeFileSync(join(dir, ".shoal"), "in the way");
  chmodSync(dir, 0o555);
  expect(bytesOf(load(dir, "int8"))).toEqual(bytesOf(loadWeights(openFolder(dir), config, "int8", kernels)));
  chmodSync(dir, 0o755);
});

it("bf16 weights that stand in the file as they are needed are not copied", () => {
  const dir = folder("mapped");
  const mapped = loadWeights(openFolder(dir), config, "bf16", kernels);
  const buffers = new Set(mapped.slots.filter(({ slot }) => !slot.keepF32).map(({ weight }) => weight.data.buffer));
  expect(buffers.size).toBe(1);
  const copied = loadWeights(openFolder(folder("f32", "f32")), config, "bf16", kernels);
  // Routers and norms are read into f32 from whatever is stored.
  const matrices = (weights: ModelWeights) => ({
    ...weights,
    slots: weights.slots.filter(({ slot }) => !slot.keepF32),
  });
  expect(bytesOf(matrices(mapped))).toEqual(bytesOf(matrices(copied)));
});
