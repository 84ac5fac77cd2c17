/**
 * When a prompt may go on from cached rows and still give, to the bit, what it gives when all of it is read. Passes of few tokens go through other
 * kernels than pieces of prompts do, and some kernels sum in another order when a piece is longer or shorter: such sums differ in their last bits,
 * which rounding to bf16 makes larger.
 */
import { NAIVE_FROM } from "../../model/index.ts";
import type { Model } from "../model.ts";

/** How repeatable requests take over rows. Null where all ways of reading agree but for the rounding of f32. */
export interface ReuseRule {
  /** A prompt goes on at a multiple of so many rows. */
  boundary: number;
  /** The piece that is left to read has at least so many tokens: shorter ones go through the kernels of decoding. */
  minPiece: number;
  /** Whether a piece gives the same however long it is and whatever is read beside it. */
  rowByRow: boolean;
}

/** @param prefill tokens of prompts that a pass reads at most */
export function reuseRule({ kernels, dtype, precision, cacheDtype }: Model, prefill: number): ReuseRule | null {
  if (precision === "f32" && cacheDtype === "f32") return null;
  // Products of tiles and of quantised weights form each row by itself. Others choose their way by how many rows there are.
  const quantised = dtype === "int8" || dtype === "int4";
  const rowByRow = kernels.isa === "amx" ? precision === "bf16" : quantised && kernels.isa !== "reference";
  const minPiece = Math.max(NAIVE_FROM, kernels.maxStepTokens + 1);
  return rowByRow ? { boundary: 1, minPiece, rowByRow } : { boundary: prefill, minPiece: 1, rowByRow };
}

/** A piece of a prompt in a pass: from its token `from` on, `count` of them. */
export interface Piece {
  from: number;
  count: number;
  /** Of the whole pass. */
  tokens: number;
}

/** Whether a piece leaves the rows that every repeatable request would have there. */
export function isRepeatable({ boundary, minPiece, rowByRow }: ReuseRule, { from, count, tokens }: Piece): boolean {
  if (rowByRow) return count >= NAIVE_FROM && tokens >= minPiece;
  return count === boundary && tokens === count && from % boundary === 0;
}
