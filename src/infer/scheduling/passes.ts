/** One pass of a model over the next tokens of many sequences, and the logits that are asked of it. */
import type { LatentCache, RouterTrace, SequenceSpan } from "../../model/index.ts";
import { type F32, Tape, type Tensor } from "../../tensor/index.ts";
import type { Model } from "../model.ts";
import { withoutPadding } from "../sampling/logits-processors.ts";
import { expertsAt } from "../sampling/token-info.ts";
import type { Request } from "./request.ts";

/** What a request does in a pass: its next `count` tokens, the last of which may be a guess. */
export interface Part {
  request: Request;
  count: number;
}

/** Rows of a prompt whose logits are formed at a time: all together they may take more memory than the pass. */
const SCORED_ROWS = 64;
/** A prompt's piece is at least this long, where the prompt is: shorter ones do not pay for their pass. */
const MIN_PIECE = 32;

export class Pass {
  readonly tape: Tape;
  /** Hidden states [T,D], all parts' rows one after the other. */
  readonly hidden: Tensor;
  private readonly model: Model;
  private readonly routers: RouterTrace[] = [];

  /** tokens: of all parts. */
  constructor(model: Model, cache: LatentCache, parts: readonly Part[], tokens: number) {
    this.model = model;
    model.arena.reset();
    this.tape = new Tape({ kernels: model.kernels, arena: model.arena, precision: model.precision });
    const spans: SequenceSpan[] = [];
    const ids = new Int32Array(tokens);
    let asked = false;
    let row = 0;
    for (const { request, count } of parts) {
      spans.push({ rowStart: request.block!.start, past: request.past, count });
      // Behind the tokens that are certain comes the guess.
      for (let i = 0; i < count; i++) ids[row++] = request.tokens[request.past + i] ?? request.guess;
      asked ||= request.prepared.params.experts;
    }
    this.hidden = model.transformer.forwardCached(this.tape, ids, spans, cache, asked ? this.routers : undefined);
  }

  /** Logits of rows, each [V], in memory that lasts until the next pass. */
  logits(rows: readonly number[]): F32[] {
    return this.perRow(this.model.transformer.logits(this.tape, rowsOf(this.tape, this.hidden, rows)));
  }

  /** Logits of the first ids for rows of the draft depth's states. */
  draftLogits(states: Tensor, rows: readonly number[]): F32[] {
    return this.perRow(this.model.transformer.draftLogits(this.tape, rowsOf(this.tape, states, rows)));
  }

  private perRow({ data, shape: [rows, V] }: Tensor): F32[] {
    const { tokenizer } = this.model;
    const each: F32[] = [];
    for (let i = 0; i < rows; i++) each.push(withoutPadding(data.subarray(i * V, (i + 1) * V), tokenizer));
    return each;
  }

  /** Logits of each of `count` rows, a few at a time, valid during the visit. */
  eachLogits(from: number, count: number, visit: (i: number, logits: F32) => void): void {
    for (let at = 0; at < count; at += SCORED_ROWS) {
      const mark = this.tape.arena.mark();
      const rows = Array.from({ length: Math.min(SCORED_ROWS, count - at) }, (_, i) => from + at + i);
      this.logits(rows).forEach((logits, i) => {
        visit(at + i, logits);
      });
      this.tape.arena.release(mark);
    }
  }

  /** Which experts fired at a row, where the request asks. */
  experts(request: Request, row: number): number[][] | undefined {
    const { experts } = request.prepared.params;
    return experts ? expertsAt(this.routers, row, this.model.config.numExpertsPerTok) : undefined;
  }
}

/** Chosen rows of a matrix as one of their own. */
export function rowsOf(tape: Tape, from: Tensor, rows: readonly number[]): Tensor {
  const width = from.shape[1];
  const chosen = tape.tensor(rows.length, width);
  rows.forEach((row, i) => {
    chosen.data.set(from.data.subarray(row * width, (row + 1) * width), i * width);
  });
  return chosen;
}

/**
 * Parts a budget of tokens among prompts that are being read, the oldest first among them: it gets at least half, and of what remains the
 * shortest go first.
 * @param minPiece tokens that no prompt has fewer of left, unless it is shorter itself
 */
export function sharePrefill(reading: readonly Request[], budget: number, minPiece = 1): Part[] {
  if (reading.length === 0) return [];
  const [oldest, ...others] = reading;
  const first = { request: oldest, count: Math.min(oldest.waiting, Math.ceil(budget / 2)) };
  const parts = [first];
  let rest = budget - first.count;
  for (const request of others.sort((a, b) => a.waiting - b.waiting)) {
    const count = Math.min(request.waiting, rest);
    if (count < Math.min(request.waiting, MIN_PIECE)) break;
    parts.push({ request, count });
    rest -= count;
  }
  first.count = Math.min(oldest.waiting, first.count + rest);
  for (const part of parts) {
    const left = part.request.waiting - part.count;
    if (left > 0 && left < minPiece)
      part.count = Math.max(Math.min(part.count, minPiece), part.request.waiting - minPiece);
  }
  return parts;
}
