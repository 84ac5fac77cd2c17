import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../base/index.ts";
import { createTrainingWeights, parseConfig } from "../model/index.ts";
import { bf16ToF32, createKernels, f32ToBf16 } from "../tensor/index.ts";
import {
  configOf,
  loadTrainingWeights,
  loadWeights,
  openFolder,
  openSafetensors,
  storedTensors,
  writeFolder,
  writeSafetensors,
} from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-folder-"));
afterAll(() => rmSync(dir, { recursive: true }));
const kernels = createKernels();
const golden = (name: string) => fileURLToPath(new URL(`../../test/goldens/${name}`, import.meta.url));

const json = JSON.parse(readFileSync(join(golden("mtp"), "config.json"), "utf8"));
const config = parseConfig(json, "mtp");
const training = createTrainingWeights(config, 5);

/** Writes the random model into a new folder. */
function write(name: string, dtype: "f32" | "bf16" | "fp8", maxShardBytes?: number): string {
  const path = join(dir, name);
  writeFolder(path, { config: json, tensors: storedTensors(training.weights), dtype, kernels, maxShardBytes });
  return path;
}

function copy(from: string, name: string): string {
  cpSync(from, join(dir, name), { recursive: true });
  return join(dir, name);
}

const numbers = (path: string) => loadTrainingWeights(openFolder(path), configOf(openFolder(path)), kernels).flat;
const load = (path: string) => loadWeights(openFolder(path), configOf(openFolder(path)), "f32", kernels);

describe("a folder", () => {
  const single = write("single", "f32");

  it("comes back as it was written", () => {
    expect(numbers(single)).toEqual(training.flat);
  });

  it("in bf16 rounded to it", () => {
    const rounded = Float32Array.from(training.flat, (x) => bf16ToF32(f32ToBf16(x)));
    // Router and norms stay exact: they are kept in f32.
    const read = numbers(write("bf16", "bf16"));
    read.forEach((x, i) => {
      if (x !== rounded[i]) expect(x).toBe(training.flat[i]);
    });
  });

  it("in shards, as one file", () => {
    const path = write("shards", "f32", 40_000);
    const shards = readdirSync(path).filter((name) => name.endsWith(".safetensors"));
    expect(shards.length).toBeGreaterThan(3);
    expect(shards[0]).toMatch(/^model-00001-of-0*\d+\.safetensors$/);
    expect(numbers(path)).toEqual(training.flat);
    const index = JSON.parse(readFileSync(join(path, "model.safetensors.index.json"), "utf8"));
    expect(index.metadata.total_size).toBe(
      [...openFolder(path).tensors.values()].reduce((sum, { begin, end }) => sum + end - begin, 0),
    );
  });

  it("written over another it leaves nothing of the old one's kind behind", () => {
    const path = write("twice", "f32", 40_000);
    write("twice", "bf16");
    expect(openFolder(path).tensors.get("model.embed_tokens.weight")?.dtype).toBe("BF16");
  });

  it("writes whole numbers of float fields with a point, as transformers demands", () => {
    const path = join(dir, "floats");
    writeFolder(path, { config: { ...json, routed_scaling_factor: 1 }, tensors: [], dtype: "f32", kernels });
    expect(readFileSync(join(path, "config.json"), "utf8")).toMatch(/"routed_scaling_factor": 1\.0[,\n]/);
  });

  it("without its MTP layers it is a model without them", () => {
    const without = [...storedTensors(training.weights)].filter(
      ({ name }) => !name.startsWith(`model.layers.${config.numHiddenLayers}.`),
    );
    const path = join(dir, "no-mtp");
    writeFolder(path, { config: json, tensors: without, dtype: "f32", kernels });
    expect(configOf(openFolder(path)).numNextnPredictLayers).toBe(0);
    expect(load(path).mtp).toEqual([]);
    expect(load(single).mtp.length).toBe(config.numNextnPredictLayers);
  });
});

describe("dtypes", () => {
  it("F16 is read exactly: normal, subnormal, zero, infinity", () => {
    const halves = Uint16Array.from([0x3c00, 0xc000, 0x0001, 0x83ff, 0x0000, 0x7bff, 0x7c00, 0x3555]);
    const path = join(dir, "f16");
    writeFolder(path, { config: json, tensors: [], dtype: "f32", kernels });
    writeSafetensors(join(path, "model.safetensors"), [{ name: "h", dtype: "F16", shape: [8], data: halves }]);
    const into = new Float32Array(8);
    openFolder(path).read("h", [8], into, kernels);
    expect([...into]).toEqual([1, -2, 2 ** -24, -1023 * 2 ** -24, 0, 65504, Number.POSITIVE_INFINITY, 1365 / 4096]);
  });

  it.each([
    [1, 1],
    [128, 128],
    [129, 127],
    [200, 300],
    [3, 513],
  ])("F8_E4M3 in blocks of 128: %d × %d come back within the format's error", (rows, columns) => {
    const random = new Random(rows * columns);
    // Blocks of very different size, each with its own scale.
    const data = Float32Array.from({ length: rows * columns }, (_, i) => {
      const block = Math.floor(i / columns / 128) * 7 + Math.floor((i % columns) / 128);
      return random.normal() * 10 ** ((block % 5) - 2);
    });
    const path = join(dir, `fp8-${rows}-${columns}`);
    writeFolder(path, {
      config: json,
      tensors: [{ name: "a.up_proj.weight", shape: [rows, columns], data }],
      dtype: "fp8",
      kernels,
    });
    const folder = openFolder(path);
    expect(folder.tensors.get("a.up_proj.weight")?.dtype).toBe("F8_E4M3");
    expect(folder.tensors.get("a.up_proj.weight_scale_inv")?.shape).toEqual([
      Math.ceil(rows / 128),
      Math.ceil(columns / 128),
    ]);
    const into = new Float32Array(rows * columns);
    folder.read("a.up_proj.weight", [rows, columns], into, kernels);
    for (let blockRow = 0; blockRow < rows; blockRow += 128) {
      for (let blockColumn = 0; blockColumn < columns; blockColumn += 128) {
        let largest = 0;
        const each = (visit: (i: number) => void) => {
          for (let r = blockRow; r < Math.min(rows, blockRow + 128); r++)
            for (let c = blockColumn; c < Math.min(columns, blockColumn + 128); c++) visit(r * columns + c);
        };
        each((i) => {
          largest = Math.max(largest, Math.abs(data[i]));
        });
        // Three bits of mantissa: half a step is 1/16 of the value; below 2⁻⁶ of 448 the steps are of one size.
        each((i) =>
          expect(Math.abs(into[i] - data[i])).toBeLessThanOrEqual(
            Math.max(Math.abs(data[i]) / 16, (largest / 448) * 2 ** -10) * 1.001,
          ),
        );
      }
    }
  });

  it("a whole model in FP8: matrices in blocks, embedding, head, router and norms as they are", () => {
    const path = write("fp8", "fp8");
    const { tensors } = openFolder(path);
    const dtypes = (pattern: RegExp) => [
      ...new Set([...tensors.values()].filter(({ name }) => pattern.test(name)).map(({ dtype }) => dtype)),
    ];
    expect(dtypes(/(q|kv|o|gate|up|down)[ab_]*_proj\.weight$/)).toEqual(["F8_E4M3"]);
    expect(dtypes(/embed_tokens|lm_head|eh_proj/)).toEqual(["BF16"]);
    expect(dtypes(/scale_inv/)).toEqual(["F32"]);
    expect(JSON.parse(readFileSync(join(path, "config.json"), "utf8")).quantization_config).toMatchObject({
      quant_method: "fp8",
      weight_block_size: [128, 128],
    });
    const read = numbers(path);
    const worst = read.reduce(
      (most, x, i) => Math.max(most, Math.abs(x - training.flat[i]) / (Math.abs(training.flat[i]) + 0.002)),
      0,
    );
    expect(worst).toBeLessThan(0.07);
  });
});

describe("a folder that is wrong", () => {
  const single = join(dir, "single");
  const expectLine = (work: () => unknown, message: RegExp) => {
    expect(work).toThrow(message);
    expect(work).toThrow(/^[^\n]+$/);
  };

  it("a tensor of another shape is named with both shapes", () => {
    expectLine(
      () => loadWeights(openFolder(single), { ...config, vocabSize: config.vocabSize + 1 }, "f32", kernels),
      new RegExp(
        `embed_tokens\\.weight" has shape \\[${config.vocabSize}, ${config.hiddenSize}\\], but the configuration asks for \\[${config.vocabSize + 1}, ${config.hiddenSize}\\]`,
      ),
    );
  });

  it("a missing tensor is named, with the nearest that is there", () => {
    const path = copy(single, "lacking");
    const file = openSafetensors(join(path, "model.safetensors"));
    const rest = [...file.tensors.values()]
      .filter(({ name }) => name !== "model.norm.weight")
      .map((info) => ({ ...info, data: file.bytes(info.name).slice() }));
    writeSafetensors(join(path, "model.safetensors"), rest);
    expectLine(() => load(path), /tensor "model\.norm\.weight" is missing \(the nearest is ".*norm\.weight"\)/);
  });

  it("a dtype that weights cannot have", () => {
    const path = copy(single, "integers");
    writeSafetensors(join(path, "model.safetensors"), [
      { name: "i", dtype: "I64", shape: [1], data: new BigInt64Array(1) },
    ]);
    expectLine(
      () => openFolder(path).read("i", [1], new Float32Array(1), kernels),
      /tensor "i" is I64; weights must be F32, BF16, F16 or F8_E4M3/,
    );
  });

  it("8-bit weights without their scales, or with too few", () => {
    const path = copy(single, "scaleless");
    const codes = { name: "w", dtype: "F8_E4M3" as const, shape: [130, 2], data: new Uint8Array(260) };
    const read = () => openFolder(path).read("w", [130, 2], new Float32Array(260), kernels);
    writeSafetensors(join(path, "model.safetensors"), [codes]);
    expectLine(read, /tensor "w" is F8_E4M3, but its "w_scale_inv" is missing/);
    writeSafetensors(join(path, "model.safetensors"), [
      { name: "w_scale_inv", dtype: "F32", shape: [1, 1], data: new Float32Array(1) },
      codes,
    ]);
    expectLine(read, /"w_scale_inv" must be F32 of shape \[2, 1\], not F32 of \[1, 1\]/);
  });

  it("other blocks than 128 × 128", () => {
    const path = copy(single, "blocks");
    writeFileSync(
      join(path, "config.json"),
      JSON.stringify({ ...json, quantization_config: { weight_block_size: [64, 64] } }),
    );
    expectLine(() => openFolder(path), /weight_block_size \[64,64\] is not supported/);
  });

  it("no folder, no weights, no configuration, no JSON", () => {
    expectLine(() => openFolder(join(dir, "nowhere")), /nowhere: there is no such folder/);
    const path = copy(single, "bare");
    rmSync(join(path, "model.safetensors"));
    expectLine(() => openFolder(path), /bare: has neither model\.safetensors nor model\.safetensors\.index\.json/);
    for (const [text, message] of [
      ["{", /config\.json: not valid JSON/],
      ["[]", /config\.json: expected a JSON object/],
      ["null", /config\.json: expected a JSON object/],
    ] as const) {
      writeFileSync(join(path, "config.json"), text);
      expectLine(() => openFolder(path), message);
    }
    rmSync(join(path, "config.json"));
    expectLine(() => openFolder(path), /config\.json: there is no such file/);
  });

  describe("shards", () => {
    const shards = (name: string) => {
      const path = copy(join(dir, "shards"), name);
      const indexPath = join(path, "model.safetensors.index.json");
      const index = JSON.parse(readFileSync(indexPath, "utf8"));
      const put = (changes: Record<string, unknown>) =>
        writeFileSync(indexPath, JSON.stringify({ ...index, ...changes }));
      return { path, map: index.weight_map as Record<string, string>, put };
    };

    it("a missing one is named", () => {
      const { path, map } = shards("gone");
      const shard = Object.values(map)[0];
      renameSync(join(path, shard), join(path, "elsewhere"));
      expectLine(() => openFolder(path), new RegExp(`${shard}: this shard is missing`));
    });

    it("a tensor that is not where the index says", () => {
      const { path, map, put } = shards("elsewhere");
      put({ weight_map: { ...map, "model.norm.weight": map["model.embed_tokens.weight"] } });
      expectLine(
        () => openFolder(path),
        /lacks tensor "model\.norm\.weight", which model\.safetensors\.index\.json says it holds/,
      );
    });

    it.each(["../../single/model.safetensors", "/etc/passwd", "..", "", 7])("%j is no name of a shard", (shard) => {
      const { path, map, put } = shards(`path-${String(shard).length}`);
      put({ weight_map: { ...map, "model.norm.weight": shard } });
      expectLine(() => openFolder(path), /must be the name of a file in the folder itself|is missing|cannot be read/);
      rmSync(path, { recursive: true });
    });

    it("an index without a map", () => {
      const { path, put } = shards("mapless");
      put({ weight_map: null });
      expectLine(() => openFolder(path), /index\.json: weight_map is missing/);
    });
  });
});
