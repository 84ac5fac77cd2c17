/** The Hugging Face folder: config.json and one safetensors file, or shards with an index. */
import { createHash } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { InputError, isThere, makeFolder, readRegularJson } from "../base/index.ts";
import { type Bf16, type F8, type F32, type Kernels, releaseMapped } from "../tensor/index.ts";
import { contentHash } from "./content-hash.ts";
import { f16ToF32 } from "./f16.ts";
import { ggufOf } from "./gguf/gguf-file.ts";
import { openGgufFolder } from "./gguf/gguf-folder.ts";
import {
  bytesIn,
  openSafetensors,
  type SafetensorsFile,
  type TensorInfo,
  type TensorToWrite,
  writeAtomically,
  writeSafetensors,
} from "./safetensors.ts";
import { type CheckpointFolder, findStored } from "./stored.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const FP8_BLOCK = 128;
export const FOLDER_LIMITS = { jsonBytes: 100 * 2 ** 20, shards: 10_000, shardBytes: 5 * 10 ** 9 };

type Json = Record<string, unknown>;

/** Reads a JSON file that must hold an object. @throws InputError */
export const readJsonObject = (path: string): Json => readRegularJson(path, FOLDER_LIMITS.jsonBytes);

/** Opens a model's folder, or a GGUF file: its configuration and the place of every tensor. Weights are read when asked for. */
export function openFolder(dir: string): CheckpointFolder {
  const gguf = ggufOf(dir);
  if (gguf !== null) return openGgufFolder(gguf);
  if (!existsSync(dir))
    throw new InputError(
      `${dir}: there is no such folder; name a model's folder with config.json and model.safetensors`,
    );
  const config = readJsonObject(join(dir, "config.json"));
  const files = new Map<string, SafetensorsFile>();
  const tensors =
    isThere(join(dir, INDEX)) && !isThere(join(dir, SINGLE)) ? openShards(dir, files) : openSingle(dir, files);
  const blockSize = fp8BlockSize(config, dir);
  const find = (name: string, shape: readonly number[]) => findStored(tensors, name, shape, dir);
  return {
    dir,
    configPath: join(dir, "config.json"),
    config,
    tensors,
    has: (name) => tensors.has(name),
    copyPath: (name) => join(dir, ".shoal", name),
    read(name, shape, into, kernels) {
      const info = find(name, shape);
      const bytesOf = (stored: TensorInfo) => files.get(stored.path)!.bytes(stored.name);
      convertInto(info, { tensors, blockSize, bytesOf }, into, kernels);
      releaseMapped(bytesOf(info));
    },
    view(wanted) {
      const infos = wanted.map(({ name, shape }) => find(name, shape));
      const [first] = infos;
      const inPlace = infos.every(
        ({ dtype, path, begin }, i) =>
          dtype === "BF16" && path === first.path && (i === 0 ? begin % 2 === 0 : begin === infos[i - 1].end),
      );
      if (!inPlace) return null;
      const { buffer, byteOffset } = files.get(first.path)!.bytes(first.name);
      return new Uint16Array(buffer, byteOffset, (infos[infos.length - 1].end - first.begin) / 2);
    },
    fingerprint() {
      const hash = createHash("sha256").update(JSON.stringify(config));
      for (const path of [...files.keys()].sort()) hash.update(`${basename(path)} ${contentHash(path)}\n`);
      return hash.digest("hex");
    },
  };
}

function openSingle(dir: string, files: Map<string, SafetensorsFile>): Map<string, TensorInfo> {
  const path = join(dir, SINGLE);
  if (!isThere(path)) throw new InputError(`${dir}: has neither ${SINGLE} nor ${INDEX}`);
  const file = openSafetensors(path);
  files.set(path, file);
  return file.tensors;
}

function openShards(dir: string, files: Map<string, SafetensorsFile>): Map<string, TensorInfo> {
  const indexPath = join(dir, INDEX);
  const map = readJsonObject(indexPath).weight_map;
  if (typeof map !== "object" || map === null) throw new InputError(`${indexPath}: weight_map is missing`);
  const entries = Object.entries(map as Record<string, unknown>);
  const names = new Set(entries.map(([, shard]) => shard));
  if (names.size > FOLDER_LIMITS.shards)
    throw new InputError(`${indexPath}: names more than ${FOLDER_LIMITS.shards} shards`);
  for (const shard of names) {
    if (typeof shard !== "string" || shard === "" || basename(shard) !== shard || shard.startsWith(".")) {
      throw new InputError(
        `${indexPath}: shard ${JSON.stringify(shard)} must be the name of a file in the folder itself`,
      );
    }
    const path = join(dir, shard);
    if (!isThere(path)) throw new InputError(`${path}: this shard is missing; ${INDEX} names it`);
    files.set(path, openSafetensors(path));
  }
  const tensors = new Map<string, TensorInfo>();
  for (const [name, shard] of entries) {
    const path = join(dir, shard as string);
    const info = files.get(path)!.tensors.get(name);
    if (!info) throw new InputError(`${path}: lacks tensor "${name}", which ${INDEX} says it holds`);
    tensors.set(name, info);
  }
  return tensors;
}

function fp8BlockSize(config: Json, dir: string): [number, number] {
  const quantization = config.quantization_config as { weight_block_size?: unknown } | undefined;
  const size = quantization?.weight_block_size ?? [FP8_BLOCK, FP8_BLOCK];
  if (Array.isArray(size) && size.length === 2 && size.every((n) => n === FP8_BLOCK)) return size as [number, number];
  throw new InputError(
    `${dir}/config.json: quantization_config.weight_block_size ${JSON.stringify(size)} is not supported; known is [${FP8_BLOCK}, ${FP8_BLOCK}]`,
  );
}

/** What a folder's files hold. */
interface Stored {
  tensors: Map<string, TensorInfo>;
  /** Rows and columns of the blocks that share a scale. */
  blockSize: [number, number];
  bytesOf: (info: TensorInfo) => Uint8Array<ArrayBuffer>;
}

function convertInto(
  info: TensorInfo,
  { tensors, blockSize: [blockRows, blockColumns], bytesOf }: Stored,
  into: F32 | Bf16,
  kernels: Kernels,
): void {
  const n = into.length;
  const bytes = bytesOf(info);
  switch (info.dtype) {
    case "F32":
      kernels.convert({ out: into, x: new Float32Array(...typed(bytes, 4)), n });
      break;
    case "BF16":
      kernels.convert({ out: into, x: new Uint16Array(...typed(bytes, 2)), n });
      break;
    case "F16":
      kernels.convert({ out: into, x: Float32Array.from(new Uint16Array(...typed(bytes, 2)), f16ToF32), n });
      break;
    case "F8_E4M3": {
      const scaleName = `${info.name}_scale_inv`;
      const scale = tensors.get(scaleName);
      if (!scale)
        throw new InputError(`${info.path}: tensor "${info.name}" is F8_E4M3, but its "${scaleName}" is missing`);
      const [R, C] = info.shape;
      const expected = [Math.ceil(R / blockRows), Math.ceil(C / blockColumns)];
      if (info.shape.length !== 2 || scale.dtype !== "F32" || scale.shape.join() !== expected.join()) {
        throw new InputError(
          `${scale.path}: tensor "${scaleName}" must be F32 of shape [${expected.join(", ")}], not ${scale.dtype} of [${scale.shape.join(", ")}]`,
        );
      }
      const factors = new Float32Array(...typed(bytesOf(scale), 4));
      kernels.dequantiseFp8({ codes: bytes as F8, factors, R, C, out: into });
      break;
    }
    default:
      throw new InputError(
        `${info.path}: tensor "${info.name}" is ${info.dtype}; weights must be F32, BF16, F16 or F8_E4M3`,
      );
  }
}

/** Arguments of a typed array over these bytes; copied where the file puts them on an odd address. */
function typed(bytes: Uint8Array<ArrayBuffer>, size: number): [ArrayBuffer, number, number] {
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return [aligned.buffer, aligned.byteOffset, aligned.byteLength / size];
}

export interface FolderToWrite {
  config: Json;
  tensors: Iterable<{ name: string; shape: readonly number[]; data: F32 | Bf16 }>;
  dtype: "f32" | "bf16" | "fp8";
  kernels: Kernels;
  /** Above this a file is split into shards (default 5 GB). */
  maxShardBytes?: number;
  /** Further files of the folder by their paths in it. */
  extraFiles?: Record<string, string>;
}

/** Written in 8-bit blocks, as the published checkpoints are: every linear layer but the head, the router and MTP's eh_proj. */
function isFp8(name: string, shape: readonly number[]): boolean {
  return (
    shape.length === 2 &&
    (name.endsWith("_proj.weight") || name.endsWith("proj_with_mqa.weight")) &&
    !name.endsWith("eh_proj.weight")
  );
}

/** Writes a folder that transformers, vLLM and Shoal load. Every file appears whole or not at all; config.json comes last. */
export function writeFolder(dir: string, folder: FolderToWrite): void {
  const { dtype, kernels, maxShardBytes = FOLDER_LIMITS.shardBytes } = folder;
  makeFolder(dir);
  rmSync(join(dir, "config.json"), { force: true });
  const shards: TensorToWrite[][] = [[]];
  let shardBytes = 0;
  let total = 0;
  for (const { name, shape, data } of folder.tensors) {
    for (const tensor of encodeTensor(name, shape, data, dtype, kernels)) {
      const bytes = bytesIn(tensor.dtype, tensor.shape);
      if (shardBytes > 0 && shardBytes + bytes > maxShardBytes) {
        shards.push([]);
        shardBytes = 0;
      }
      shards[shards.length - 1].push(tensor);
      shardBytes += bytes;
      total += bytes;
    }
  }
  const number = (i: number) => String(i).padStart(5, "0");
  const nameOf = (i: number) =>
    shards.length === 1 ? SINGLE : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
  for (const [i, tensors] of shards.entries()) writeSafetensors(join(dir, nameOf(i)), tensors);
  rmSync(join(dir, shards.length === 1 ? INDEX : SINGLE), { force: true });
  if (shards.length > 1) {
    const weight_map = Object.fromEntries(shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, nameOf(i)])));
    writeFileSync(join(dir, INDEX), `${JSON.stringify({ metadata: { total_size: total }, weight_map }, null, 2)}\n`);
  }
  for (const [name, text] of Object.entries(folder.extraFiles ?? {})) {
    makeFolder(dirname(join(dir, name)));
    writeAtomically(join(dir, name), text);
  }
  const quantization_config = {
    quant_method: "fp8",
    fmt: "e4m3",
    weight_block_size: [FP8_BLOCK, FP8_BLOCK],
    activation_scheme: "dynamic",
  };
  const config = {
    ...folder.config,
    dtype: dtype === "f32" ? "float32" : "bfloat16",
    ...(dtype === "fp8" && { quantization_config }),
  };
  writeAtomically(join(dir, "config.json"), configText(config));
}

/** JSON in which fields that transformers declares as float have a decimal point: it refuses `1` where it wants `1.0`. */
function configText(config: Json): string {
  const wholeFloat = /("(?:routed_scaling_factor|initializer_range|rms_norm_eps)": -?\d+)(?=,?\n)/g;
  return `${JSON.stringify(config, null, 2)}\n`.replace(wholeFloat, "$1.0");
}

function encodeTensor(
  name: string,
  shape: readonly number[],
  data: F32 | Bf16,
  dtype: FolderToWrite["dtype"],
  kernels: Kernels,
): TensorToWrite[] {
  const n = data.length;
  if (dtype === "fp8" && isFp8(name, shape)) {
    const [R, C] = shape;
    const x = new Float32Array(n);
    kernels.convert({ out: x, x: data, n });
    const codes = new Uint8Array(n);
    const blocks = [Math.ceil(R / FP8_BLOCK), Math.ceil(C / FP8_BLOCK)];
    const factors = new Float32Array(blocks[0] * blocks[1]);
    kernels.quantiseFp8({ codes, factors, R, C, x });
    return [
      { name, dtype: "F8_E4M3", shape, data: codes },
      { name: `${name}_scale_inv`, dtype: "F32", shape: blocks, data: factors },
    ];
  }
  // The balancing bias moves in steps of 0.001, finer than bf16 holds; published checkpoints keep it in f32 too.
  if (dtype === "f32" || name.endsWith("e_score_correction_bias")) {
    const out = data instanceof Float32Array ? data : new Float32Array(n);
    if (out !== data) kernels.convert({ out, x: data, n });
    return [{ name, dtype: "F32", shape, data: out }];
  }
  const out = data instanceof Uint16Array ? data : new Uint16Array(n);
  if (out !== data) kernels.convert({ out, x: data, n });
  return [{ name, dtype: "BF16", shape, data: out }];
}
