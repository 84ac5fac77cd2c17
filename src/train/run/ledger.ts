/** The ledger: a line of JSON for every step, every validation and whatever else happens, so that a run's whole course and bill can be read afterwards. */
import { appendFileSync, existsSync, renameSync, statSync, truncateSync } from "node:fs";
import { InputError, whyNotWritten } from "../../base/index.ts";
import type { SourceSummary } from "./inputs.ts";

export interface StepRecord {
  kind: "step";
  stage: string;
  step: number;
  /** Tokens trained on so far, over all stages. */
  tokens: number;
  /** NaN where there was nothing to learn. */
  loss: number;
  /** Tokens, or pairs, that it is the mean of. */
  targets: number;
  mtpLoss: number[];
  balanceLoss: number;
  gradNorm: number;
  lr: number;
  tokensPerSecond: number;
  /** Operations of the model's products in this step over its seconds, as the planner counts them, in TFLOP/s. */
  tflops: number;
  /** tflops over the recipe's peak, where it names one. */
  utilisation?: number;
  /** Wall-clock time of the run so far with all that belongs to it (tokenising, validation, checkpoints); pauses between sessions are left out. */
  seconds: number;
  /** CPU time used so far. */
  coreHours: number;
  usd: number;
  /** Per expert layer: load of the busiest expert over the mean, and experts without a token. */
  busiest: number[];
  idle: number[];
  memoryMB: number;
  /** Loss or gradient was not finite: the step changed nothing. */
  skipped?: true;
  /** Of a stage that learns from preferences. */
  rewards?: Rewards;
}

/** Rewards β (log p − log p of the reference) of the replies of a step's pairs (Rafailov et al. 2023, eq. 5). */
export interface Rewards {
  /** Share of the pairs whose chosen reply has the higher reward; a draw counts as half. */
  accuracy: number;
  /** Means over the pairs; margin: of chosen less rejected. */
  margin: number;
  chosen: number;
  rejected: number;
}

export interface ValidationRecord {
  kind: "validation";
  step: number;
  tokens: number;
  seconds: number;
  /** As `Validation` has them. */
  bitsPerByte?: number;
  bySlice: Record<string, number>;
  chatLoss?: number;
  chatBySlice?: Record<string, number>;
  pairs?: { loss: number; accuracy: number };
}

/** Every few steps, each expert's load in the step, over the mean of its layer: expert layers in order, MTP depths last. */
export interface ExpertsRecord {
  kind: "experts";
  step: number;
  tokens: number;
  loads: number[][];
}

/** What the model writes at this point. */
export interface SampleRecord {
  kind: "sample";
  step: number;
  tokens: number;
  prompt: string;
  text: string;
}

export interface EventPlace {
  kind: "event";
  /** Steps and tokens done when it happened. */
  step: number;
  tokens: number;
  /** The same for people, in one line. */
  message: string;
}

/** What happened. */
export type EventDetails =
  | { event: "stage"; stage: string; sequenceLength: number; stageTokens: number }
  /** A run taken up from a checkpoint. pausedSeconds: since the ledger was last written. */
  | { event: "resume"; pausedSeconds: number }
  /** A source of the stage that begins: what it holds and how many of its documents were left out as bad. */
  | ({ event: "data"; stage: string } & SourceSummary)
  /** What is wrong with how a stage went. */
  | { event: "remark"; stage: string }
  /** Which state the finished model is made of. */
  | { event: "model" }
  /** A spike at `step`: the run went back to step `backTo` and goes on behind the data that it had seen by then. */
  | { event: "rollback"; stage: string; backTo: number; loss: number | null; limit: number | null };

export type EventRecord = EventPlace & EventDetails;

export type LedgerRecord = StepRecord | ValidationRecord | ExpertsRecord | SampleRecord | EventRecord;

export class Ledger {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws InputError if the disk is full; the line may then be there in part, and `rewind` removes it */
  append(record: LedgerRecord): void {
    try {
      appendFileSync(this.path, `${JSON.stringify(record)}\n`);
    } catch (error) {
      throw new InputError(
        `${this.path}: cannot be written: ${whyNotWritten(error)}; the last checkpoint is whole: make room and go on with --resume`,
      );
    }
  }

  get bytes(): number {
    return existsSync(this.path) ? statSync(this.path).size : 0;
  }

  /** When it was last written, milliseconds since 1970; null before its first line. */
  get writtenAt(): number | null {
    return existsSync(this.path) ? statSync(this.path).mtimeMs : null;
  }

  /** Begins an empty one; the old one gets another name. @returns its path */
  setAside(): string {
    let aside = this.path.replace(/\.jsonl$/, ".before.jsonl");
    for (let i = 2; existsSync(aside); i++) aside = this.path.replace(/\.jsonl$/, `.before-${i}.jsonl`);
    renameSync(this.path, aside);
    return aside;
  }

  /** Drops what was written after a checkpoint: those steps will be run again. */
  rewind(bytes: number): void {
    if (this.bytes > bytes) truncateSync(this.path, bytes);
  }
}
