/** A GGUF file that can be read as if it were a Hugging Face folder: by the same names, in the same shapes. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../base/index.ts";
import { type Bf16, type F32, type Kernels, releaseMapped, size } from "../../tensor/index.ts";
import { contentHash } from "../content-hash.ts";
import { type CheckpointFolder, findStored, type StoredInfo } from "../stored.ts";
import type { GgufTensor } from "./container.ts";
import { dequantize, isReadable, READABLE } from "./dequantize.ts";
import { configOfGguf } from "./families.ts";
import { openGguf } from "./gguf-file.ts";
import { type Latent, type Part, type Source, sourcesOf } from "./tensor-names.ts";

/** Numbers that stand in memory as f32 while a tensor is read: whole blocks of every type. */
const CHUNK = 2 ** 20;

/** @throws InputError also for tensors of types that Shoal does not read, before any is read */
export function openGgufFolder(path: string): CheckpointFolder {
  const file = openGguf(path);
  const config = configOfGguf(file);
  const sources = sourcesOf(file);
  for (const { name, type, path: shard } of file.tensors.values()) {
    if (!isReadable(type))
      throw new InputError(
        `${shard}: tensor "${name}" is ${type.name}, which Shoal does not read; it reads ${READABLE.join(", ")}`,
      );
  }
  const tensors = new Map<string, StoredInfo>();
  for (const [name, source] of sources) tensors.set(name, infoOf(name, source));

  const readPart = ({ tensor, from, shape }: Part, into: F32 | Bf16, kernels: Kernels) => {
    const { type } = tensor;
    const n = size(shape);
    for (let at = 0; at < n; at += CHUNK) {
      const length = Math.min(CHUNK, n - at);
      const out = into.subarray(at, at + length) as F32 | Bf16;
      const bytes = file.bytes(tensor, byteAt(tensor, from + at), byteAt(tensor, from + at + length));
      if (type.name === "BF16" && bytes.byteOffset % 2 === 0)
        kernels.convert({ out, x: new Uint16Array(bytes.buffer, bytes.byteOffset, length), n: length });
      else {
        const x = out instanceof Float32Array ? out : new Float32Array(length);
        dequantize(type, bytes, x, `${tensor.path}: tensor "${tensor.name}"`);
        if (x !== out) kernels.convert({ out, x, n: length });
      }
      releaseMapped(bytes);
    }
  };
  const wholeOf = (tensor: GgufTensor, kernels: Kernels) => {
    const out = new Float32Array(size(tensor.shape));
    readPart({ kind: "part", tensor, from: 0, shape: tensor.shape }, out, kernels);
    return out;
  };
  return {
    dir: dirname(file.path),
    configPath: file.path,
    config,
    tensors,
    has: (name) => sources.has(name),
    copyPath: (name) => join(dirname(file.path), ".shoal", `${basename(file.path)}.${name}`),
    read(name, shape, into, kernels) {
      findStored(tensors, name, shape, file.path);
      const source = sources.get(name)!;
      if (source.kind === "part") return readPart(source, into, kernels);
      const x = joined(source, wholeOf(source.keys, kernels), wholeOf(source.values, kernels));
      kernels.convert({ out: into, x, n: x.length });
    },
    view(wanted) {
      const parts = wanted.map(({ name, shape }) => {
        findStored(tensors, name, shape, file.path);
        return sources.get(name)!;
      });
      const isPart = (source: Source): source is Part => source.kind === "part" && source.tensor.type.name === "BF16";
      if (!parts.every(isPart)) return null;
      const place = ({ tensor, from }: Part) => tensor.begin + 2 * from;
      const [first] = parts;
      const inPlace = parts.every(
        (part, i) =>
          part.tensor.path === first.tensor.path &&
          (i === 0 ? place(part) % 2 === 0 : place(part) === place(parts[i - 1]) + 2 * size(parts[i - 1].shape)),
      );
      if (!inPlace) return null;
      const { buffer, byteOffset } = file.bytes(first.tensor);
      const n = parts.reduce((sum, { shape }) => sum + size(shape), 0);
      return new Uint16Array(buffer, byteOffset + 2 * first.from, n);
    },
    fingerprint() {
      const hash = createHash("sha256").update(JSON.stringify(config));
      for (const shard of file.paths) hash.update(`${basename(shard)} ${contentHash(shard)}\n`);
      return hash.digest("hex");
    },
  };
}

/** The byte of a tensor at which a number's block begins. */
const byteAt = ({ type }: GgufTensor, number: number) => (number / type.numbers) * type.bytes;

function infoOf(name: string, source: Source): StoredInfo {
  const { shape } = source;
  const tensor = source.kind === "part" ? source.tensor : source.keys;
  const { type, path } = tensor;
  if (source.kind === "latent") {
    const bytes = tensor.end - tensor.begin + source.values.end - source.values.begin;
    return { name, dtype: type.name, shape, begin: tensor.begin, end: tensor.begin + bytes, path };
  }
  const begin = tensor.begin + byteAt(tensor, source.from);
  return { name, dtype: type.name, shape, begin, end: begin + byteAt(tensor, size(shape)), path };
}

/** Of each head N rows that make keys, then V rows that make values. */
function joined({ keys, values }: Latent, keys_HRN: F32, values_HVR: F32): F32 {
  const [H, R, N] = keys.shape;
  const V = values.shape[1];
  const out = new Float32Array(H * (N + V) * R);
  for (let h = 0; h < H; h++) {
    const to = h * (N + V) * R;
    const from = h * R * N;
    for (let r = 0; r < R; r++) for (let n = 0; n < N; n++) out[to + n * R + r] = keys_HRN[from + r * N + n];
    out.set(values_HVR.subarray(h * V * R, (h + 1) * V * R), to + N * R);
  }
  return out;
}
