/** Matrix products, plain and grouped. Operands become f32 rows once; the inner loops then run over contiguous numbers. */
import { type Bf16, bf16ToF32, type F32, f32ToBf16 } from "../../dtype.ts";
import type { CompleteOf } from "../contract.ts";
import type { Precision } from "../contracts.ts";
import { define } from "../define.ts";
import { gemm } from "./contract.ts";

type Matmul = CompleteOf<typeof gemm.matmul>;

/** [rows, columns] of a matrix (transposed on the way if asked) as contiguous f32, rounded to bf16 where the precision says so. */
function operand(
  x: F32 | Bf16,
  rows: number,
  columns: number,
  ld: number,
  transposed: boolean,
  precision: Precision,
): F32 {
  const out: F32 = new Float32Array(rows * columns);
  const rowStep = transposed ? 1 : ld;
  const columnStep = transposed ? ld : 1;
  const isBf16 = x instanceof Uint16Array;
  for (let r = 0; r < rows; r++) {
    let from = r * rowStep;
    const to = r * columns;
    if (isBf16) for (let c = 0; c < columns; c++, from += columnStep) out[to + c] = bf16ToF32(x[from]);
    else if (precision === "bf16")
      for (let c = 0; c < columns; c++, from += columnStep) out[to + c] = bf16ToF32(f32ToBf16(x[from]));
    else for (let c = 0; c < columns; c++, from += columnStep) out[to + c] = x[from];
  }
  return out;
}

/** out[M,N] (+)= a[M,K] · b[N,K]ᵀ: dot products of rows, four at a time to keep the sums in registers. */
function productOfRows(
  out: F32,
  ldo: number,
  a: F32,
  b: F32,
  M: number,
  N: number,
  K: number,
  accumulate: boolean,
): void {
  for (let m = 0; m < M; m++) {
    const row = m * K;
    for (let n = 0; n < N; n++) {
      const column = n * K;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      let k = 0;
      for (; k + 3 < K; k += 4) {
        s0 += a[row + k] * b[column + k];
        s1 += a[row + k + 1] * b[column + k + 1];
        s2 += a[row + k + 2] * b[column + k + 2];
        s3 += a[row + k + 3] * b[column + k + 3];
      }
      for (; k < K; k++) s0 += a[row + k] * b[column + k];
      const sum = s0 + s1 + (s2 + s3);
      out[m * ldo + n] = accumulate ? out[m * ldo + n] + sum : sum;
    }
  }
}

/** One product, whatever the batch says. */
function product({ out, a, b, M, N, K, aT, bT, lda, ldb, ldo, accumulate, precision }: Matmul): void {
  if (M === 0 || N === 0) return;
  const rowsOfA = operand(a, M, K, lda, aT, precision);
  const rowsOfB = operand(b, N, K, ldb, !bT, precision);
  productOfRows(out, ldo, rowsOfA, rowsOfB, M, N, K, accumulate);
}

export const gemmReference = define(gemm, {
  matmul(p) {
    const { batch } = p;
    for (let i = 0; i < batch.count; i++) {
      product({
        ...p,
        out: p.out.subarray(i * batch.out),
        a: p.a.subarray(i * batch.a) as F32 | Bf16,
        b: p.b.subarray(i * batch.b) as F32 | Bf16,
      });
    }
  },

  groupedMatmul({ kind, out, a, b, offsets, E, N, K, accumulate, precision }) {
    const { matmul } = gemmReference;
    for (let e = 0; e < E; e++) {
      const from = offsets[e];
      const rows = offsets[e + 1] - from;
      const part = (x: F32 | Bf16, at: number) => x.subarray(at) as F32 | Bf16;
      const sums = { accumulate, precision };
      if (kind === "forward") {
        const operands = { out: out.subarray(from * N), a: part(a, from * K), b: part(b, e * N * K) };
        matmul({ ...operands, M: rows, N, K, bT: true, ...sums });
      } else if (kind === "input") {
        const operands = { out: out.subarray(from * K), a: part(a, from * N), b: part(b, e * N * K) };
        matmul({ ...operands, M: rows, N: K, K: N, ...sums });
      } else {
        const operands = { out: out.subarray(e * N * K), a: part(a, from * N), b: part(b, from * K) };
        matmul({ ...operands, M: N, N: K, K: rows, aT: true, ...sums });
      }
    }
  },
});
