/** What the machine can do at most, measured: every other figure is also a share of one of these. */
import { allocate, type Kernels } from "../tensor/index.ts";
import { time } from "./measure.ts";

export interface Ceilings {
  /** Bytes/s read by all threads from memory that no cache holds. */
  readBandwidth: number;
  /** FLOP/s of the best of several large products, operands in bf16. */
  matrixPeak: number;
}

const READ_BYTES = 512 * 2 ** 20;
const SHAPES = [
  { M: 2048, N: 512, K: 512 },
  { M: 4096, N: 384, K: 1024 },
  { M: 4096, N: 1024, K: 384 },
  { M: 1024, N: 2048, K: 1024 },
];

/** Measures both ceilings in about two seconds. The reference kernels, a thousand times slower, get less to do. */
export function measureCeilings(kernels: Kernels): Ceilings {
  const slow = kernels.isa === "reference";
  const bytes = slow ? READ_BYTES / 16 : READ_BYTES;
  const x = new Float32Array(allocate(bytes)).fill(1);
  const read = time(() => kernels.sumSquares({ x, n: x.length }), { runs: 5, seconds: 0.3 });
  let matrixPeak = 0;
  for (const { M, N, K } of slow ? [{ M: 128, N: 128, K: 128 }] : SHAPES) {
    const [a, b] = [
      new Uint16Array(allocate(M * K * 2)).fill(0x3f80),
      new Uint16Array(allocate(N * K * 2)).fill(0x3f80),
    ];
    const out = new Float32Array(allocate(M * N * 4));
    const { least } = time(() => kernels.matmul({ out, a, b, M, N, K, bT: true, precision: "bf16" }), {
      runs: 5,
      seconds: 0.2,
    });
    matrixPeak = Math.max(matrixPeak, (2 * M * N * K) / least);
  }
  return { readBandwidth: bytes / read.least, matrixPeak };
}

export interface KernelRow {
  name: string;
  shape: string;
  /** FLOP/s at the median. */
  flops: number;
  microseconds: number;
}

/** The three products of a linear layer at sizes of the training model, operands in f32 as training has them. */
export function benchKernels(kernels: Kernels): KernelRow[] {
  const rows: KernelRow[] = [];
  const T = 4096;
  for (const [N, K] of [
    [2048, 384],
    [384, 1024],
    [1024, 384],
    [384, 192],
    [8192, 384],
  ]) {
    const x = new Float32Array(allocate(T * K * 4)).fill(0.5);
    const w = new Float32Array(allocate(N * K * 4)).fill(0.5);
    const y = new Float32Array(allocate(T * N * 4)).fill(0.5);
    const cases = {
      "x · Wᵀ": () => kernels.matmul({ out: y, a: x, b: w, M: T, N, K, bT: true, precision: "bf16" }),
      "dy · W": () => kernels.matmul({ out: x, a: y, b: w, M: T, N: K, K: N, accumulate: true, precision: "bf16" }),
      "dyᵀ · x": () =>
        kernels.matmul({ out: w, a: y, b: x, M: N, N: K, K: T, aT: true, accumulate: true, precision: "bf16" }),
    };
    for (const [name, work] of Object.entries(cases)) {
      const { median } = time(work, { runs: 3, seconds: 0.2 });
      rows.push({ name, shape: `${T} × ${N} × ${K}`, flops: (2 * T * N * K) / median, microseconds: median * 1e6 });
    }
  }
  return rows;
}
