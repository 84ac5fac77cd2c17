/** A GGUF file, or the shards of one (`name-00001-of-00003.gguf`), mapped: tensors are read when asked for. */
import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { checkRegular, InputError, isThere } from "../../base/index.ts";
import { mapFile } from "../../tensor/index.ts";
import { type GgufMetadata, type GgufTensor, parseGguf } from "./container.ts";

const MAX_SHARDS = 10_000;
const SHARD = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

export interface GgufFile {
  /** The first shard's where there are several. */
  path: string;
  /** Of every shard. */
  paths: string[];
  metadata: GgufMetadata;
  tensors: ReadonlyMap<string, GgufTensor>;
  /** The tensor's bytes, or those from `begin` to `end` within it: a view of the mapped file, not a copy. */
  bytes(tensor: GgufTensor, begin?: number, end?: number): Uint8Array<ArrayBuffer>;
}

const EXTENSION = /\.gguf$/i;

/**
 * The GGUF file that a model's path means: one by its name, or the only one of a folder without config.json; null for other folders.
 * @throws InputError where such a folder holds several models
 */
export function ggufOf(path: string): string | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return EXTENSION.test(path) ? path : null;
  if (isThere(join(path, "config.json"))) return null;
  const files = readdirSync(path).filter((name) => EXTENSION.test(name));
  const models = files.filter((name) => Number(SHARD.exec(name)?.[2] ?? 1) === 1).sort();
  if (models.length > 1)
    throw new InputError(`${path}: holds ${models.length} models; name one, ${join(path, models[0])} say`);
  return models.length === 1 ? join(path, models[0]) : null;
}

/**
 * Opens and checks a file with all its shards; any of them may be named.
 * @throws InputError naming the file, the key or tensor, and the byte
 */
export function openGguf(path: string): GgufFile {
  const paths = shardsOf(path);
  const buffers = new Map<string, ArrayBuffer>();
  const tensors = new Map<string, GgufTensor>();
  let metadata: GgufMetadata = new Map();
  for (const [i, shard] of paths.entries()) {
    if (paths.length > 1 && !isThere(shard))
      throw new InputError(`${shard}: this shard is missing; there must be ${paths.length} of them`);
    const buffer = map(shard);
    const header = parseGguf(buffer, shard);
    checkShard(shard, header.metadata, i, paths.length);
    if (i === 0) metadata = header.metadata;
    buffers.set(shard, buffer);
    for (const [name, tensor] of header.tensors) {
      const other = tensors.get(name);
      if (other) throw new InputError(`${shard}: tensor "${name}" is in ${basename(other.path)} too`);
      tensors.set(name, tensor);
    }
  }
  const count = metadata.get("split.tensors.count");
  if (paths.length > 1 && count !== undefined && count !== tensors.size)
    throw new InputError(`${paths[0]}: split.tensors.count is ${count}, but the shards hold ${tensors.size} tensors`);
  return {
    path: paths[0],
    paths,
    metadata,
    tensors,
    bytes: ({ path, begin, end }, from = 0, to = end - begin) =>
      new Uint8Array(buffers.get(path)!, begin + from, to - from),
  };
}

function map(path: string): ArrayBuffer {
  // A pipe would be waited for.
  checkRegular(path);
  try {
    return mapFile(path);
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message.replace(`${path}: `, "")}`);
  }
}

function shardsOf(path: string): string[] {
  const [, name, number, all] = SHARD.exec(basename(path)) ?? [];
  if (name === undefined) return [path];
  const count = Number(all);
  if (count < 1 || count > MAX_SHARDS || Number(number) < 1 || Number(number) > count)
    throw new InputError(`${path}: names shard ${number} of ${all}; at most ${MAX_SHARDS} are read`);
  return Array.from({ length: count }, (_, i) =>
    join(dirname(path), `${name}-${String(i + 1).padStart(5, "0")}-of-${all}.gguf`),
  );
}

function checkShard(path: string, metadata: GgufMetadata, i: number, count: number): void {
  const said = metadata.get("split.count") ?? 1;
  // A file that was never parted says 0 or 1, or nothing.
  if (said !== count && !(count === 1 && said === 0))
    throw new InputError(
      count === 1
        ? `${path}: is one of ${said} shards by its split.count; name it and the others …-00001-of-0000${said}.gguf`
        : `${path}: split.count is ${said}, but its name says that there are ${count} shards`,
    );
  const no = metadata.get("split.no") ?? 0;
  if (count > 1 && no !== i)
    throw new InputError(`${path}: split.no is ${no}, but its name says ${i + 1} of ${count} (counted from 1)`);
}
