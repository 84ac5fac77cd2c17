/** A run while it goes on: what it learns from and with, where it stands, what it has cost. */
import { Arena, type F32, type Kernels } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { Trainer } from "../optimize/trainer.ts";
import type { ResolvedStage } from "../recipe/model.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { ValidationText } from "./evaluate.ts";
import type { InputOptions } from "./inputs.ts";
import type { EventDetails, Ledger, LedgerRecord } from "./ledger.ts";
import type { Meter, RunProgress } from "./meter.ts";
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

/** What a run is made of. */
export interface RunParts {
  /** With the model's fields filled in where it starts from a folder. */
  recipe: Recipe;
  stages: readonly ResolvedStage[];
  options: TrainOptions;
  tokenizer: Tokenizer;
  trainer: Trainer;
  ledger: Ledger;
  meter: Meter;
  state: RunState;
  validation: readonly ValidationText[];
  /** Of a checkpoint inside a stage of preferences: log probabilities under the weights that the stage began with, of pairs learnt from and held out. */
  references: { learnt: F32 | null; held: F32 | null };
  /** Makes the folder this session's. Until it is called nothing in the folder that counts is changed. */
  takeUp: (run: TrainingRun) => void;
}

export class TrainingRun {
  readonly recipe: RunParts["recipe"];
  readonly stages: RunParts["stages"];
  readonly options: RunParts["options"];
  readonly tokenizer: RunParts["tokenizer"];
  readonly trainer: RunParts["trainer"];
  readonly ledger: RunParts["ledger"];
  readonly meter: RunParts["meter"];
  readonly state: RunParts["state"];
  readonly validation: RunParts["validation"];
  readonly references: RunParts["references"];
  /** For passes that learn nothing: validation and samples. */
  readonly arena = new Arena();
  /** The last figures of this session, for its result. */
  lastLoss = Number.NaN;
  lastBitsPerByte: number | null = null;
  readonly remarks: string[] = [];
  private notTakenUp: RunParts["takeUp"] | null;

  constructor(parts: RunParts) {
    this.recipe = parts.recipe;
    this.stages = parts.stages;
    this.options = parts.options;
    this.tokenizer = parts.tokenizer;
    this.trainer = parts.trainer;
    this.ledger = parts.ledger;
    this.meter = parts.meter;
    this.state = parts.state;
    this.validation = parts.validation;
    this.references = parts.references;
    this.notTakenUp = parts.takeUp;
  }

  /** Once all is checked, before the first change. Later calls do nothing. */
  takeUp(): void {
    this.notTakenUp?.(this);
    this.notTakenUp = null;
  }

  /** Writes a line into the ledger and tells whoever listens. */
  record(line: LedgerRecord): void {
    this.ledger.append(line);
    this.options.onRecord?.(line, this.meter.progress);
  }

  /** Records what happens after the steps until now (or after `step`), for programs and, as a message, for people. */
  event(details: EventDetails, message: string, step = this.state.step): void {
    this.record({ kind: "event", step, tokens: this.state.tokens, ...details, message });
  }

  /** Begins the next stage. */
  nextStage(): void {
    const { state, recipe } = this;
    state.stage++;
    Object.assign(state, { stageTokens: 0, cursors: [], sources: [], course: undefined });
    if (recipe.onSpike) state.recentLosses = [];
  }
}
