/** Numbers in fewer bits: conversions, FP8 blocks, and weights in 8 and 4 bits. */
import { input, kernel, literal, output, size } from "../contract.ts";

const panels = { N: size({ multipleOf: "16" }), K: size({ multipleOf: "32" }) } as const;
const fp8Blocks = "⌈R/128⌉×⌈C/128⌉";

export const quant = {
  /** out = x converted, elementwise over n: between f32, bf16 and f8e4m3 (round to nearest even, f8 saturating) */
  convert: kernel({
    out: output("f32|bf16|f8e4m3", "n"),
    x: input("f32|bf16|f8e4m3", "n"),
    n: size(),
  }),

  /**
   * FP8 blocks: x[R,C] in F8_E4M3 with one factor per 128 × 128 block (`weight_scale_inv`).
   * factor = amax / 448 of each block (1 where the block is all 0), codes = x / factor
   */
  quantiseFp8: kernel({
    codes: output("f8e4m3", "R×C"),
    factors: output("f32", fp8Blocks),
    x: input("f32", "R×C"),
    R: size(),
    C: size(),
  }),
  /** out[R,C] = codes · factor */
  dequantiseFp8: kernel({
    codes: input("f8e4m3", "R×C"),
    factors: input("f32", fp8Blocks),
    out: output("f32|bf16", "R×C"),
    R: size(),
    C: size(),
  }),

  /** codes, scales ← x[N,K] (see QuantisedBlocks): scale = largest / 127, or largest / −8 for 4 bits, where the largest keeps its sign */
  quantise: kernel({
    codes: output("i8", "N×K×bits/8"),
    scales: output("bf16", "N×K/32"),
    bits: literal(8, 4),
    x: input("f32", "N×K"),
    ...panels,
  }),
  /**
   * out[J,N] = a[J,K] · w[e][N,K]ᵀ, rows offsets[e] … offsets[e+1] with weights e of E (offsets null: all rows with the only one).
   * a is rounded to 8 bits in blocks of 32: scale = largest / 127, codes to the nearest (ties to even). Sums over a block are whole numbers.
   */
  quantisedMatmul: kernel({
    out: output("f32", "J×N"),
    a: input("f32", "J×K"),
    codes: input("i8", "E×N×K×bits/8"),
    scales: input("bf16", "E×N×K/32"),
    bits: literal(8, 4),
    offsets: input("i32", "E+1", { nullable: true, contents: { offsets: "J" } }),
    J: size(),
    E: size(),
    ...panels,
  }),
};
