/** The part of the kernel contract that is about weights in 8 and 4 bits: how they lie in memory. */
import type { Bf16, F8, F32, I8, I32 } from "./dtype.ts";

/** FP8 blocks: w[R,C] in F8_E4M3 with one factor per 128 × 128 block, factors[ceil(R/128), ceil(C/128)] (`weight_scale_inv`). */
export interface Fp8Blocks {
  codes: F8;
  factors: F32;
  R: number;
  C: number;
}

/**
 * Weights [N,K] in 8 or 4 bits, N a multiple of 16 and K of 32: 32 numbers of a row share a bf16 scale; value = code · scale.
 * Codes are −127 … 127 stored 128 too large, or −8 … 7 stored 8 too large. They stand as a processor meets them: panels of 16 rows, of each panel one block of
 * 32 columns after the other, of each block 8 quads of 4 columns, of each quad the 4 bytes of each row. With 4 bits a block has 4 quads, whose bytes hold
 * column k < 16 in their low half and column k + 16 in their high half. Scales stand alike: [N/16][K/32][16].
 */
export interface QuantisedBlocks {
  codes: I8;
  scales: Bf16;
  bits: 8 | 4;
}
/**
 * out[J,N] = a[J,K] · w[e][N,K]ᵀ, rows offsets[e] … offsets[e+1] with weights e of E (offsets null: all rows with the only one).
 * a is rounded to 8 bits in blocks of 32: scale = largest / 127, codes to the nearest (ties to even). Sums over a block are whole numbers.
 */
export interface QuantisedMatmul extends QuantisedBlocks {
  out: F32;
  a: F32;
  offsets: I32 | null;
  J: number;
  E: number;
  N: number;
  K: number;
}
