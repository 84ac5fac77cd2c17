/** What every place that weights are read from offers: a Hugging Face folder, a GGUF file. */
import { InputError } from "../base/index.ts";
import type { Bf16, F32, Kernels } from "../tensor/index.ts";

/** A stored tensor by its name in Hugging Face folders. */
export interface StoredInfo {
  name: string;
  /** As its file calls it. */
  dtype: string;
  shape: number[];
  /** Absolute offsets of its bytes in the file; of one that is put together from two, the first's and both's length. */
  begin: number;
  end: number;
  path: string;
}

export interface CheckpointFolder {
  /** The folder that holds its files. */
  dir: string;
  /** The file that its configuration stands in, for errors. */
  configPath: string;
  config: Record<string, unknown>;
  tensors: ReadonlyMap<string, StoredInfo>;
  has(name: string): boolean;
  /** Where a prepared copy of this name is kept. */
  copyPath(name: string): string;
  /** Reads a tensor of exactly this shape, converted to the dtype of `into`. @throws InputError naming the tensor and both shapes */
  read(name: string, shape: readonly number[], into: F32 | Bf16, kernels: Kernels): void;
  /** These tensors' numbers where they are mapped, if they are bf16 and stand one after the other in one file; else null. */
  view(tensors: readonly { name: string; shape: readonly number[] }[]): Bf16 | null;
  /** Tells this folder's weights from others: a hash of its configuration and of its files' names and contents. */
  fingerprint(): string;
}

/** A tensor that must be there in this shape. @throws InputError */
export function findStored<Info extends StoredInfo>(
  tensors: ReadonlyMap<string, Info>,
  name: string,
  shape: readonly number[],
  where: string,
): Info {
  const info = tensors.get(name);
  if (!info) throw new InputError(`${where}: tensor "${name}" is missing${nearest(name, tensors)}`);
  if (info.shape.length !== shape.length || info.shape.some((extent, i) => extent !== shape[i])) {
    throw new InputError(
      `${info.path}: tensor "${name}" has shape [${info.shape.join(", ")}], but the configuration asks for [${shape.join(", ")}]`,
    );
  }
  return info;
}

/** A hint for a misspelt or misplaced name: the stored name with the longest common ending. */
function nearest(name: string, tensors: ReadonlyMap<string, StoredInfo>): string {
  const common = (other: string) => {
    let n = 0;
    while (n < name.length && n < other.length && name[name.length - 1 - n] === other[other.length - 1 - n]) n++;
    return n;
  };
  let best = "";
  for (const other of tensors.keys()) if (common(other) > common(best)) best = other;
  return common(best) > 6 ? ` (the nearest is "${best}")` : "";
}
