/** The latent cache: what decoding keeps of each token, R + P numbers per layer (report, section 2.1.1). */
import { allocate, type Bf16, type F32, type I8, type Tape } from "../tensor/index.ts";
import { latentAttentionOf } from "./layer.ts";
import type { ModelConfig } from "./model-config.ts";

/** New tokens of one sequence: its cache begins at row rowStart and holds `past` rows already; `count` are new. */
export interface SequenceSpan {
  rowStart: number;
  past: number;
  count: number;
}

export type CacheDtype = "f32" | "bf16" | "int8";

/** One layer's rows [c_kv (R, after its norm) | k_rope (P, rotated)]. */
export class LayerCache {
  readonly data: F32 | Bf16 | I8;
  /** [rows, 2]: of int8, what the codes of c_kv and of k_rope are multiplied by. */
  readonly scales: F32 | null;
  private readonly R: number;
  private readonly P: number;

  constructor(rows: number, R: number, P: number, dtype: CacheDtype) {
    const length = rows * (R + P);
    if (dtype === "f32") this.data = new Float32Array(allocate(length * 4));
    else if (dtype === "bf16") this.data = new Uint16Array(allocate(length * 2));
    else this.data = new Int8Array(allocate(length));
    this.scales = dtype === "int8" ? new Float32Array(allocate(rows * 8)) : null;
    this.R = R;
    this.P = P;
  }

  get bytes(): number {
    return this.data.byteLength + (this.scales?.byteLength ?? 0);
  }

  /** Takes over the rows of a smaller cache. */
  copyFrom(smaller: LayerCache): void {
    this.data.set(smaller.data);
    if (smaller.scales) this.scales?.set(smaller.scales);
  }

  /** Appends the spans' new rows: c_kv from cKv [T,R], k_rope from the last P columns of latent [T,R+P]. */
  write({ kernels }: Tape, spans: readonly SequenceSpan[], cKv: F32, latent: F32): void {
    const { R, P, data: cache, scales: cacheScales } = this;
    const places = Int32Array.from(
      spans.flatMap(({ rowStart, past, count }) => Array.from({ length: count }, (_, i) => rowStart + past + i)),
    );
    const kRope = latent.subarray(R);
    kernels.writeLatents({ cache, cacheScales, cKv, kRope, places, T: places.length, R, P, ldk: R + P });
  }

  /** Rows as f32: the cache itself, or a copy from the tape's arena. */
  read(tape: Tape, rowStart: number, count: number): F32 {
    const { R, scales } = this;
    const width = R + this.P;
    const rows = this.data.subarray(rowStart * width, (rowStart + count) * width);
    if (rows instanceof Float32Array) return rows;
    const copy = tape.arena.take("f32", rows.length);
    if (rows instanceof Uint16Array) tape.kernels.convert({ out: copy, x: rows, n: rows.length });
    else {
      for (let row = 0, at = 0; row < count; row++) {
        for (let i = 0; i < width; i++, at++) copy[at] = rows[at] * scales![(rowStart + row) * 2 + (i < R ? 0 : 1)];
      }
    }
    return copy;
  }
}

/** Room for `rows` tokens in each of the model's layers (and, with `mtp`, in each MTP depth's layer after them). */
export class LatentCache {
  readonly rows: number;
  readonly layers: LayerCache[];
  readonly bytes: number;

  constructor(config: ModelConfig, rows: number, dtype: CacheDtype, mtp = false) {
    this.rows = rows;
    const { R, P } = latentAttentionOf(config);
    const layers = config.numHiddenLayers + (mtp ? config.numNextnPredictLayers : 0);
    this.layers = Array.from({ length: layers }, () => new LayerCache(rows, R, P, dtype));
    this.bytes = this.layers.reduce((sum, layer) => sum + layer.bytes, 0);
  }
}
