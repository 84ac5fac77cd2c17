/** The course of a run, gathered from its ledger line by line. */
import { LedgerTail } from "./ledger-tail.ts";
import {
  type Entry,
  type Experts,
  parseRecord,
  type RunEvent,
  type Sample,
  type SourceRecord,
  type Step,
  type Validation,
} from "./records.ts";
import { Series } from "./series.ts";

/** A stage as far as it has come. Its numbers are of its own steps. */
export interface StageCourse {
  name: string;
  fromStep: number;
  fromTokens: number;
  toTokens: number;
  seconds: number;
  coreHours: number;
  firstLoss: number;
  /** Mean of its last steps. */
  loss: number;
}

export const COURSE_LIMITS = { samples: 60, events: 500, stages: 64, sources: 2000, unknownKinds: 20 };

/** Steps over which the latest loss and speed are averaged. */
export const RECENT = 20;

const ZERO = { step: 0, tokens: 0, seconds: 0, coreHours: 0 };

export class Course {
  /** Step records read, those that were run again not counted twice. */
  steps = 0;
  /** Of them, steps whose loss or gradient was not finite: the weights stayed as they were. */
  skippedSteps = 0;
  /** Lines that hold no record. */
  brokenLines = 0;
  unknownKinds = new Map<string, number>();
  readonly series = new Series();
  readonly stages: StageCourse[] = [];
  readonly validations: Validation[] = [];
  readonly samples: Sample[] = [];
  readonly events: RunEvent[] = [];
  experts: Experts | null = null;
  /** What each stage learns from, by stage and source. */
  readonly sources = new Map<string, SourceRecord>();
  /** Sessions after the first, and how long the run lay still between them. */
  resumes = 0;
  pausedSeconds = 0;
  rollbacks = 0;
  /** Time inside steps; the rest of the clock is tokenising, validation, samples and checkpoints. */
  stepSeconds = 0;
  /** Operations of all steps. */
  flops = 0;
  /** The last steps, newest last. */
  readonly recent: Step[] = [];
  /** Tokens a second of every step. */
  private readonly speeds: number[] = [];
  /** Tokens of a step. */
  private rows = 0;

  get last(): Step | null {
    return this.recent.at(-1) ?? null;
  }

  /** Takes in a line. An empty one is passed over. */
  addLine(line: string): void {
    if (line.trim() === "") return;
    const entry = parseRecord(line);
    if (entry) this.add(entry);
    else this.brokenLines++;
  }

  add(entry: Entry): void {
    switch (entry.kind) {
      case "step":
        this.addStep(entry);
        return;
      case "validation":
        this.validations.push(entry);
        return;
      case "experts":
        this.experts = entry;
        return;
      case "sample":
        push(this.samples, entry, COURSE_LIMITS.samples);
        return;
      case "event":
        push(this.events, entry, COURSE_LIMITS.events);
        if (entry.name === "resume") this.resumes++;
        if (entry.name === "rollback") this.rollbacks++;
        this.pausedSeconds += entry.pausedSeconds;
        return;
      case "data":
        if (this.sources.size < COURSE_LIMITS.sources)
          this.sources.set(JSON.stringify([entry.stage, entry.source]), entry);
        return;
      case "unknown":
        if (this.unknownKinds.has(entry.name) || this.unknownKinds.size < COURSE_LIMITS.unknownKinds)
          this.unknownKinds.set(entry.name, (this.unknownKinds.get(entry.name) ?? 0) + 1);
    }
  }

  /** Tokens a second that this share of the steps did not reach: 0.5 for the median. NaN without a step. */
  speed(share: number): number {
    return quantile(this.speeds, share);
  }

  private addStep(step: Step): void {
    const before = this.last ?? ZERO;
    if (step.step <= before.step) this.goBack(step.step);
    else this.rows = step.tokens - before.tokens;
    const stage = this.stageOf(step);
    stage.toTokens = step.tokens;
    stage.seconds += Math.max(0, step.seconds - before.seconds);
    stage.coreHours += Math.max(0, step.coreHours - before.coreHours);
    this.steps++;
    if (step.skipped) this.skippedSteps++;
    if (step.tokensPerSecond > 0) {
      this.speeds.push(step.tokensPerSecond);
      const seconds = this.rows / step.tokensPerSecond;
      this.stepSeconds += seconds;
      if (Number.isFinite(step.tflops)) this.flops += step.tflops * 1e12 * seconds;
    }
    push(this.recent, step, RECENT);
    stage.loss = mean(this.recent.filter(({ stage: name }) => name === step.stage).map(({ loss }) => loss));
    this.series.add(step, [
      ["loss", step.loss],
      ["balanceLoss", step.balanceLoss],
      ["gradNorm", step.gradNorm],
      ["lr", step.lr],
      ["tokensPerSecond", step.tokensPerSecond],
      ["tflops", step.tflops],
      ["memoryMB", step.memoryMB],
      ["accuracy", step.accuracy],
      ...step.mtpLoss.map((loss, i) => [`mtp${i}`, loss] as const),
      ...step.busiest.map((load, i) => [`busiest${i}`, load] as const),
    ]);
  }

  private stageOf(step: Step): StageCourse {
    const last = this.stages.at(-1);
    if (last && (last.name === step.stage || this.stages.length === COURSE_LIMITS.stages)) return last;
    const stage = {
      name: step.stage,
      fromStep: step.step,
      fromTokens: step.tokens - this.rows,
      toTokens: step.tokens,
      seconds: 0,
      coreHours: 0,
      firstLoss: step.loss,
      loss: step.loss,
    };
    this.stages.push(stage);
    return stage;
  }

  /** A run that goes back without cutting its ledger does these steps again: curves show the later try, time and bill hold both. */
  private goBack(step: number): void {
    this.series.cut(step);
    for (const list of [this.validations, this.samples])
      while (list.length > 0 && list.at(-1)!.step >= step) list.pop();
    while (this.stages.length > 1 && this.stages.at(-1)!.fromStep >= step) this.stages.pop();
    this.steps -= Math.min(this.steps, this.last!.step - step + 1);
    while (this.recent.length > 0 && this.recent.at(-1)!.step >= step) this.recent.pop();
  }
}

/** A ledger and the course that it tells, kept up to date by `poll`. */
export class CourseReader {
  course = new Course();
  private readonly tail: LedgerTail;

  constructor(path: string) {
    this.tail = new LedgerTail(path, {
      onLine: (line) => this.course.addLine(line),
      onRewound: () => {
        this.course = new Course();
      },
    });
  }

  /** Reads what is new. @returns when the ledger was last written, milliseconds since 1970; null where there is none */
  poll(): number | null {
    return this.tail.poll();
  }
}

function push<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}

export const mean = (values: readonly number[]): number => {
  const finite = values.filter(Number.isFinite);
  return finite.length === 0 ? Number.NaN : finite.reduce((sum, value) => sum + value, 0) / finite.length;
};

/** The value at this share of the sorted list, between neighbours in proportion. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}
