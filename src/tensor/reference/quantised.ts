/** Weights in 8 or 4 bits: panels of 16 rows, blocks of 32 columns, a bf16 scale for each row of a block. */
import { type Bf16, bf16ToF32, type F32, f32ToBf16, type I8 } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";

const PANEL = 16;
const BLOCK = 32;

/** Where number k of row n of a matrix with K columns has its scale, and where its code (of a 4-bit code: the byte, and which half). */
function placeOf(n: number, k: number, K: number, bits: 8 | 4) {
  const panel = Math.floor(n / PANEL);
  const row = n % PANEL;
  const block = panel * (K / BLOCK) + Math.floor(k / BLOCK);
  const column = k % BLOCK;
  const high = bits === 4 && column >= BLOCK / 2;
  const byteColumn = high ? column - BLOCK / 2 : column;
  const inBlock = (Math.floor(byteColumn / 4) * PANEL + row) * 4 + (byteColumn % 4);
  return { scale: block * PANEL + row, byte: (block * PANEL * BLOCK * bits) / 8 + inBlock, high };
}

function codeAt(codes: I8, bits: 8 | 4, { byte, high }: { byte: number; high: boolean }): number {
  const stored = codes[byte] & 255;
  return bits === 8 ? stored - 128 : (high ? stored >> 4 : stored & 15) - 8;
}

/** x in 8 bits, block by block: code · scale. */
function roundActivations(x: F32, n: number): { codes: Int8Array; scales: F32 } {
  const codes = new Int8Array(n);
  const scales: F32 = new Float32Array(n / BLOCK);
  for (let b = 0; b < n / BLOCK; b++) {
    const block = x.subarray(b * BLOCK, (b + 1) * BLOCK);
    scales[b] = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    const inverse = scales[b] === 0 ? 0 : Math.fround(1 / scales[b]);
    block.forEach((value, j) => {
      codes[b * BLOCK + j] = nearest(Math.fround(value * inverse));
    });
  }
  return { codes, scales };
}

/** The nearest whole number, ties to even. */
function nearest(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

export const quantisedKernels: Pick<Kernels, "quantise" | "quantisedMatmul"> = {
  quantise({ codes, scales, bits, x, N, K }) {
    const [least, most] = bits === 8 ? [-127, 127] : [-8, 7];
    codes.fill(0, 0, (N * K * bits) / 8);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k += BLOCK) {
        const block = x.subarray(n * K + k, n * K + k + BLOCK);
        const largest = block.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
        const stored = f32ToBf16(bits === 8 ? Math.abs(largest) / 127 : largest / -8);
        scales[placeOf(n, k, K, bits).scale] = stored;
        const scale = bf16ToF32(stored);
        const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
        block.forEach((value, j) => {
          const code = Math.max(least, Math.min(most, Math.floor(Math.fround(Math.fround(value * inverse) + 0.5))));
          const { byte, high } = placeOf(n, k + j, K, bits);
          codes[byte] |= bits === 8 ? code + 128 : (code + 8) << (high ? 4 : 0);
        });
      }
    }
  },

  quantisedMatmul({ out, a, codes, scales, bits, offsets, J, E, N, K }) {
    const rounded = roundActivations(a, J * K);
    for (let e = 0; e < E; e++) {
      const [from, to] = offsets ? [offsets[e], offsets[e + 1]] : [0, J];
      const ofExpert = codes.subarray((e * N * K * bits) / 8);
      const scalesOfExpert: Bf16 = scales.subarray((e * N * K) / BLOCK);
      for (let n = 0; n < N; n++) {
        for (let j = from; j < to; j++) {
          let sum = 0;
          for (let k = 0; k < K; k += BLOCK) {
            let whole = 0;
            for (let i = k; i < k + BLOCK; i++)
              whole += rounded.codes[j * K + i] * codeAt(ofExpert, bits, placeOf(n, i, K, bits));
            const scale = bf16ToF32(scalesOfExpert[placeOf(n, k, K, bits).scale]);
            sum += whole * Math.fround(scale * rounded.scales[(j * K + k) / BLOCK]);
          }
          out[j * N + n] = sum;
        }
      }
    }
  },
};
