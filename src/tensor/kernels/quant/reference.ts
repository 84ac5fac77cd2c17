/** Conversions between dtypes, FP8 blocks, and weights in 8 or 4 bits: panels of 16 rows, blocks of 32 columns, a bf16 scale for each row of a block. */
import {
  type Bf16,
  bf16ToF32,
  dtypeOf,
  type F32,
  f8ToF32,
  f32ToBf16,
  f32ToF8,
  type I8,
  type Storage,
} from "../../dtype.ts";
import { define } from "../define.ts";
import { quant } from "./contract.ts";

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

/** Side of an FP8 block (report, section 3.3.2). */
const FP8_BLOCK = 128;
const F8_MAX = 448;

function reader(x: Storage): (i: number) => number {
  switch (dtypeOf(x)) {
    case "bf16":
      return (i) => bf16ToF32(x[i]);
    case "f8e4m3":
      return (i) => f8ToF32(x[i]);
    default:
      return (i) => x[i];
  }
}

function writer(out: Storage): (i: number, value: number) => void {
  switch (dtypeOf(out)) {
    case "bf16":
      return (i, value) => {
        out[i] = f32ToBf16(value);
      };
    case "f8e4m3":
      return (i, value) => {
        out[i] = f32ToF8(value);
      };
    default:
      return (i, value) => {
        out[i] = value;
      };
  }
}

/** Calls visit(first row, row end, first column, column end, block index) for each 128 × 128 block of [R,C]. */
function forEachBlock(
  R: number,
  C: number,
  visit: (r0: number, r1: number, c0: number, c1: number, block: number) => void,
): void {
  let block = 0;
  for (let r = 0; r < R; r += FP8_BLOCK) {
    for (let c = 0; c < C; c += FP8_BLOCK) visit(r, Math.min(R, r + FP8_BLOCK), c, Math.min(C, c + FP8_BLOCK), block++);
  }
}

export const quantReference = define(quant, {
  convert({ out, x, n }) {
    const read = reader(x);
    const write = writer(out);
    for (let i = 0; i < n; i++) write(i, read(i));
  },

  quantiseFp8({ codes, factors, R, C, x }) {
    forEachBlock(R, C, (r0, r1, c0, c1, block) => {
      let largest = 0;
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) largest = Math.max(largest, Math.abs(x[r * C + c]));
      factors[block] = largest === 0 ? 1 : largest / F8_MAX;
      const factor = factors[block];
      for (let r = r0; r < r1; r++)
        for (let c = c0; c < c1; c++) codes[r * C + c] = f32ToF8(Math.fround(x[r * C + c] / factor));
    });
  },

  dequantiseFp8({ codes, factors, R, C, out }) {
    const write = writer(out);
    forEachBlock(R, C, (r0, r1, c0, c1, block) => {
      const factor = factors[block];
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) write(r * C + c, f8ToF32(codes[r * C + c]) * factor);
    });
  },

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
});
