/** Makes batches of whole sequences. */
import type { I32 } from "../tensor/index.ts";
import type { Batch } from "./transformer.ts";

/**
 * A batch from sequences of token ids, for a model with `mtpDepths` MTP depths. Every token but the last of its sequence is predicted.
 * masks: per sequence, 1 where a token counts as a target (default: all do).
 */
export function batchOf(
  sequences: readonly ArrayLike<number>[],
  mtpDepths = 0,
  masks?: readonly ArrayLike<number>[],
): Batch {
  const T = sequences.reduce((sum, ids) => sum + ids.length, 0);
  const lists = (fill: number): I32[] => Array.from({ length: mtpDepths + 1 }, () => new Int32Array(T).fill(fill));
  const ids = lists(0);
  const targets = lists(-1);
  const positions: I32 = new Int32Array(T);
  const segments: I32 = new Int32Array(sequences.length * 4);
  let start = 0;
  sequences.forEach((sequence, s) => {
    const length = sequence.length;
    segments.set([start, length, start, length], s * 4);
    for (let i = 0; i < length; i++) {
      positions[start + i] = i;
      for (let depth = 0; depth <= mtpDepths; depth++) {
        if (i + depth < length) ids[depth][start + i] = sequence[i + depth];
        const target = i + depth + 1;
        if (target < length && (!masks || masks[s][target])) targets[depth][start + i] = sequence[target];
      }
    }
    start += length;
  });
  return { ids, targets, positions, segments };
}
