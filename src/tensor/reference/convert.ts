/** Conversions between dtypes, sums, and FP8 blocks. */
import { bf16ToF32, dtypeOf, f8ToF32, f32ToBf16, f32ToF8, type Storage } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";

/** Side of an FP8 block (report, section 3.3.2). */
const BLOCK = 128;
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
  for (let r = 0; r < R; r += BLOCK) {
    for (let c = 0; c < C; c += BLOCK) visit(r, Math.min(R, r + BLOCK), c, Math.min(C, c + BLOCK), block++);
  }
}

export const convertKernels: Pick<
  Kernels,
  "add" | "zero" | "convert" | "sumSquares" | "quantiseFp8" | "dequantiseFp8"
> = {
  add({ out, a, b, n, scaleA = 1, scaleB = 1 }) {
    for (let i = 0; i < n; i++) out[i] = scaleA * a[i] + scaleB * b[i];
  },

  zero({ x, n }) {
    x.fill(0, 0, n);
  },

  convert({ out, x, n }) {
    const read = reader(x);
    const write = writer(out);
    for (let i = 0; i < n; i++) write(i, read(i));
  },

  sumSquares({ x, n }) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
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
};
