/** The ledger: a line of JSON for every step and every validation, so that a run's whole course and bill can be read afterwards. */
import { appendFileSync, existsSync, statSync, truncateSync } from "node:fs";

export interface StepRecord {
  kind: "step";
  stage: string;
  step: number;
  /** Tokens trained on so far, over all stages. */
  tokens: number;
  loss: number;
  mtpLoss: number[];
  balanceLoss: number;
  gradNorm: number;
  lr: number;
  tokensPerSecond: number;
  /** Operations of the model's products in this step over its seconds, as the planner counts them, in TFLOP/s. */
  tflops: number;
  /** tflops over the recipe's peak, where it names one. */
  utilisation?: number;
  /** Wall-clock time of the run so far, pauses between sessions left out. */
  seconds: number;
  /** CPU time used so far. */
  coreHours: number;
  usd: number;
  /** Per expert layer: load of the busiest expert over the mean, and experts without a token. */
  busiest: number[];
  idle: number[];
  memoryMB: number;
  skipped?: true;
}

export interface ValidationRecord {
  kind: "validation";
  step: number;
  tokens: number;
  seconds: number;
  bitsPerByte: number;
  bySlice: Record<string, number>;
}

export type LedgerRecord = StepRecord | ValidationRecord;

export class Ledger {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  append(record: LedgerRecord): void {
    appendFileSync(this.path, `${JSON.stringify(record)}\n`);
  }

  get bytes(): number {
    return existsSync(this.path) ? statSync(this.path).size : 0;
  }

  /** Drops what was written after a checkpoint: those steps will be run again. */
  rewind(bytes: number): void {
    if (this.bytes > bytes) truncateSync(this.path, bytes);
  }
}
