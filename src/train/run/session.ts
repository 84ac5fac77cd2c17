/** A run while it goes on: what it holds, its bill and its ledger. */
import type { Arena, F32, Kernels } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { Trainer } from "../optimize/trainer.ts";
import type { Vocabulary } from "../recipe/model.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { ValidationText } from "./evaluate.ts";
import type { InputOptions } from "./inputs.ts";
import type { Ledger, LedgerRecord } from "./ledger.ts";
import type { RunState } from "./run-state.ts";

export interface TrainOptions extends InputOptions {
  /** Go on from the newest checkpoint of the folder. */
  resume?: boolean;
  /** With resume: go on even where data or validation texts are others than before. */
  acceptChangedData?: boolean;
  kernels: Kernels;
  /** Aborted: the step at hand is finished, a checkpoint written, and the run ends. While data are read it ends at once, with the signal's reason. */
  signal?: AbortSignal;
  onRecord?: (record: LedgerRecord, progress: RunProgress) => void;
  /** Stop after this many steps, as if interrupted (for tests and trials). */
  maxSteps?: number;
}

export interface RunProgress {
  tokens: number;
  totalTokens: number;
  secondsLeft: number;
}

export interface Run {
  /** With the model's fields filled in where it starts from a folder. */
  recipe: Recipe;
  options: TrainOptions;
  tokenizer: Tokenizer;
  vocabulary: Vocabulary;
  trainer: Trainer;
  ledger: Ledger;
  state: RunState;
  /** Of a checkpoint inside a stage of preferences: log probabilities under the weights that the stage began with. */
  reference: F32 | null;
  heldReference: F32 | null;
  validation: ValidationText[];
  arena: Arena;
  lastLoss: number;
  lastBitsPerByte: number | null;
  /** The last held-out figure of what the stage is judged by. */
  lastJudged: number | null;
  totalTokens: number;
  remarks: string[];
  /** Pace of this session's last steps, and how many it has made. */
  secondsPerToken: number;
  paceSteps: number;
  /** Makes the folder this session's, once all is checked; null afterwards. Until then nothing in it that counts is changed. */
  takeUp: (() => void) | null;
  /** Until when time has been charged to the run. */
  clock: { wall: number; cpu: NodeJS.CpuUsage };
}

/** Adds the time since the last charge to the run's bill. */
export function charge(run: Run): void {
  const { user, system } = process.cpuUsage(run.clock.cpu);
  const now = performance.now();
  run.state.seconds += (now - run.clock.wall) / 1000;
  run.state.coreSeconds += (user + system) / 1e6;
  run.clock = { wall: now, cpu: process.cpuUsage() };
}

/** Writes a line into the ledger and tells whoever listens. */
export function record(run: Run, line: LedgerRecord, secondsLeft = Number.NaN): void {
  run.ledger.append(line);
  run.options.onRecord?.(line, { tokens: run.state.tokens, totalTokens: run.totalTokens, secondsLeft });
}
