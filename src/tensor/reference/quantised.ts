/** Weights in 8 or 4 bits: blocks of 32 numbers that share a bf16 scale. */
import { type Bf16, bf16ToF32, type F32, f32ToBf16, type I8 } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";

const BLOCK = 32;

/** One row of K weights as f32. */
function widen(codes: I8, scales: Bf16, bits: 8 | 4, first: number, K: number): F32 {
  const row: F32 = new Float32Array(K);
  for (let k = 0; k < K; k++) {
    const at = first + k;
    const block = Math.floor(at / BLOCK);
    const j = at % BLOCK;
    // 4 bits: byte j holds number j in its low half and number j + 16 in its high half, both 8 too large.
    const byte = bits === 8 ? codes[at] : codes[block * 16 + (j % 16)];
    const code = bits === 8 ? byte : ((j < 16 ? byte : byte >> 4) & 15) - 8;
    row[k] = Math.fround(code * bf16ToF32(scales[block]));
  }
  return row;
}

export const quantisedKernels: Pick<Kernels, "quantise" | "quantisedMatmul"> = {
  quantise({ codes, scales, bits, x, n }) {
    const [least, most] = bits === 8 ? [-127, 127] : [-8, 7];
    for (let i = 0; i < n / BLOCK; i++) {
      const block = x.subarray(i * BLOCK, (i + 1) * BLOCK);
      const largest = block.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
      scales[i] = f32ToBf16(bits === 8 ? Math.abs(largest) / 127 : largest / -8);
      const scale = bf16ToF32(scales[i]);
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      const q = Array.from(block, (value) =>
        Math.max(least, Math.min(most, Math.floor(Math.fround(Math.fround(value * inverse) + 0.5)))),
      );
      if (bits === 8) codes.set(q, i * BLOCK);
      else for (let j = 0; j < 16; j++) codes[i * 16 + j] = (q[j] + 8) | ((q[j + 16] + 8) << 4);
    }
  },

  quantisedMatmul({ out, a, codes, scales, bits, offsets, J, E, N, K }) {
    const rounded = Float32Array.from(a.subarray(0, J * K), (value) => bf16ToF32(f32ToBf16(value)));
    for (let e = 0; e < E; e++) {
      const [from, to] = offsets ? [offsets[e], offsets[e + 1]] : [0, J];
      if (from === to) continue;
      for (let n = 0; n < N; n++) {
        const row = widen(codes, scales, bits, (e * N + n) * K, K);
        for (let j = from; j < to; j++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += rounded[j * K + k] * row[k];
          out[j * N + n] = sum;
        }
      }
    }
  },
};
