/** A line of a ledger as a record, whatever wrote it: what is missing or of another type is NaN or empty, unknown kinds are told by name. */

/** As `StepRecord` of the training room; numbers that a line lacks are NaN. */
export interface Step {
  kind: "step";
  stage: string;
  step: number;
  tokens: number;
  seconds: number;
  coreHours: number;
  loss: number;
  mtpLoss: number[];
  balanceLoss: number;
  gradNorm: number;
  lr: number;
  tokensPerSecond: number;
  tflops: number;
  memoryMB: number;
  busiest: number[];
  idle: number[];
  skipped: boolean;
  /** Of a stage that learns from preferences: share of the pairs that the model orders rightly. NaN elsewhere. */
  accuracy: number;
}

export interface Validation {
  kind: "validation";
  step: number;
  tokens: number;
  /** NaN where no text was held out, and so the others. */
  bitsPerByte: number;
  bySlice: Map<string, number>;
  /** Loss of held-out replies, nats a token. */
  chatLoss: number;
  /** Loss of held-out pairs, and the share of them that are ordered rightly. */
  pairsLoss: number;
  pairsAccuracy: number;
}

/** Each expert's load over the mean of its layer, layers in order, MTP depths last: [layers][experts]. */
export interface Experts {
  kind: "experts";
  step: number;
  loads: number[][];
}

/** What the model wrote during training. */
export interface Sample {
  kind: "sample";
  step: number;
  tokens: number;
  prompt: string;
  text: string;
}

/** Something that happened: a stage began, a session began, the loss spiked and the run went back. */
export interface RunEvent {
  kind: "event";
  step: number;
  name: string;
  detail: string;
  /** Of a session that began: how long the run had lain still. 0 for other events. */
  pausedSeconds: number;
}

/** What a stage learns from: one of its sources. */
export interface SourceRecord {
  kind: "data";
  stage: string;
  source: string;
  documents: number;
  /** NaN where it holds pairs instead of text. */
  tokens: number;
  skipped: number;
}

export type Entry = Step | Validation | Experts | Sample | RunEvent | SourceRecord | { kind: "unknown"; name: string };

/** No run has more; a ledger that does is cut down to these. */
export const RECORD_LIMITS = {
  layers: 512,
  experts: 4096,
  mtpDepths: 8,
  slices: 256,
  nameLength: 200,
  textLength: 20_000,
};

type Json = Record<string, unknown>;

/** Null where the line holds no object with a kind: a broken line. */
export function parseRecord(line: string): Entry | null {
  let json: Json;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof json !== "object" || json === null || typeof json.kind !== "string") return null;
  const step = real(json.step);
  const tokens = real(json.tokens);
  switch (json.kind) {
    case "step":
      return Number.isFinite(step) && Number.isFinite(tokens) ? stepOf(json, step, tokens) : null;
    case "validation": {
      const pairs = (json.pairs ?? {}) as Json;
      const measured = {
        bitsPerByte: real(json.bitsPerByte),
        chatLoss: real(json.chatLoss),
        pairsLoss: real(pairs.loss),
        pairsAccuracy: real(pairs.accuracy),
      };
      return Object.values(measured).some(Number.isFinite)
        ? { kind: "validation", step, tokens, ...measured, bySlice: slicesOf(json.bySlice) }
        : null;
    }
    case "experts":
      return {
        kind: "experts",
        step,
        loads: list(json.loads, RECORD_LIMITS.layers).map((row) => reals(row, RECORD_LIMITS.experts)),
      };
    case "sample":
      return { kind: "sample", step, tokens, prompt: text(json.prompt), text: text(json.text) };
    case "event":
      return json.event === "data" ? sourceOf(json) : eventOf(json, step);
    default:
      return { kind: "unknown", name: json.kind.slice(0, RECORD_LIMITS.nameLength) };
  }
}

function stepOf(json: Json, step: number, tokens: number): Step {
  return {
    kind: "step",
    stage: text(json.stage).slice(0, RECORD_LIMITS.nameLength),
    step,
    tokens,
    seconds: real(json.seconds),
    coreHours: real(json.coreHours),
    loss: real(json.loss),
    mtpLoss: reals(json.mtpLoss, RECORD_LIMITS.mtpDepths),
    balanceLoss: real(json.balanceLoss),
    gradNorm: real(json.gradNorm),
    lr: real(json.lr),
    tokensPerSecond: real(json.tokensPerSecond),
    tflops: real(json.tflops),
    memoryMB: real(json.memoryMB),
    busiest: reals(json.busiest, RECORD_LIMITS.layers),
    idle: reals(json.idle, RECORD_LIMITS.layers),
    skipped: json.skipped === true,
    accuracy: real((json.rewards as Json | undefined)?.accuracy),
  };
}

function sourceOf(json: Json): SourceRecord {
  const { stage, source, documents, sourceTokens, skipped } = json;
  return {
    kind: "data",
    stage: text(stage),
    source: text(source),
    documents: real(documents),
    tokens: real(sourceTokens),
    skipped: Number.isFinite(real(skipped)) ? real(skipped) : 0,
  };
}

function eventOf(json: Json, step: number): RunEvent {
  const name = text(json.event).slice(0, RECORD_LIMITS.nameLength);
  const pausedSeconds = real(json.pausedSeconds);
  return {
    kind: "event",
    step,
    name,
    detail: text(json.message),
    pausedSeconds: pausedSeconds > 0 ? pausedSeconds : 0,
  };
}

function slicesOf(value: unknown): Map<string, number> {
  if (typeof value !== "object" || value === null) return new Map();
  const slices = Object.entries(value)
    .slice(0, RECORD_LIMITS.slices)
    .map(([name, bits]) => [name.slice(0, RECORD_LIMITS.nameLength), real(bits)] as const);
  return new Map(slices.filter(([, bits]) => Number.isFinite(bits)));
}

const real = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);
const list = (value: unknown, most: number): unknown[] => (Array.isArray(value) ? value.slice(0, most) : []);
const reals = (value: unknown, most: number): number[] => list(value, most).map(real);
const text = (value: unknown): string => (typeof value === "string" ? value.slice(0, RECORD_LIMITS.textLength) : "");
