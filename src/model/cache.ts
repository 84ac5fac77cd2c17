/** The latent cache: what decoding keeps of each token, R + P numbers per layer (report, section 2.1.1). */
import { allocate, type Bf16, type F32, type Tape } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";

/** New tokens of one sequence: its cache begins at row rowStart and holds `past` rows already; `count` are new. */
export interface SequenceSpan {
  rowStart: number;
  past: number;
  count: number;
}

/** One layer's rows [c_kv (R, after its norm) | k_rope (P, rotated)]. */
export class LayerCache {
  readonly data: F32 | Bf16;
  private readonly R: number;
  private readonly P: number;

  constructor(data: F32 | Bf16, R: number, P: number) {
    this.data = data;
    this.R = R;
    this.P = P;
  }

  /** Appends the spans' new rows: c_kv from cKv [T,R], k_rope from the last P columns of latent [T,R+P]. */
  write(tape: Tape, spans: readonly SequenceSpan[], cKv: F32, latent: F32): void {
    const { R, P } = this;
    const width = R + P;
    let t = 0;
    for (const span of spans) {
      for (let i = 0; i < span.count; i++, t++) {
        // Normalised latent and rotated key come from two buffers; joined in place, the row converts in one go.
        latent.set(cKv.subarray(t * R, (t + 1) * R), t * width);
      }
      const out = this.data.subarray((span.rowStart + span.past) * width);
      tape.kernels.convert({ out, x: latent.subarray((t - span.count) * width), n: span.count * width });
    }
  }

  /** Rows as f32: the cache itself, or a copy from the tape's arena. */
  read(tape: Tape, rowStart: number, count: number): F32 {
    const width = this.R + this.P;
    const rows = this.data.subarray(rowStart * width, (rowStart + count) * width);
    if (rows instanceof Float32Array) return rows;
    const copy = tape.arena.take("f32", rows.length);
    tape.kernels.convert({ out: copy, x: rows, n: rows.length });
    return copy;
  }
}

/** Room for `rows` tokens in each of the model's layers (and, with `mtp`, in each MTP depth's layer after them). */
export class LatentCache {
  readonly rows: number;
  readonly layers: LayerCache[];
  readonly bytes: number;

  constructor(config: ModelConfig, rows: number, dtype: "f32" | "bf16", mtp = false) {
    this.rows = rows;
    const { kvLoraRank: R, qkRopeHeadDim: P } = config;
    const layers = config.numHiddenLayers + (mtp ? config.numNextnPredictLayers : 0);
    const length = rows * (R + P);
    const bytes = length * (dtype === "f32" ? 4 : 2);
    this.layers = Array.from({ length: layers }, () => {
      const buffer = allocate(bytes);
      return new LayerCache(dtype === "f32" ? new Float32Array(buffer) : new Uint16Array(buffer), R, P);
    });
    this.bytes = bytes * layers;
  }
}
