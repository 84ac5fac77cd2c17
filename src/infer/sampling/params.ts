/** How a request's tokens are chosen and when it ends: the one type for it, its bounds, and the check that fills in the defaults. */
import { EngineError } from "../engine-error.ts";

/** What is absent takes the model's default (its generation_config.json), and where that says nothing, this engine's. */
export interface SamplingParams {
  /** Tokens to generate at most (default: as many as the context has room for). */
  maxTokens?: number;
  /** 0: always the likeliest token (greedy); 1: the model's own distribution. Default 0.7. */
  temperature?: number;
  /** Keep the fewest likeliest tokens whose probabilities reach this sum; 1: all. */
  topP?: number;
  /** Keep only the k likeliest; 0: all. */
  topK?: number;
  /** Keep tokens with at least this share of the likeliest one's probability; 0: all. */
  minP?: number;
  /** Logits of tokens seen before are divided by this where positive and multiplied where negative (Keskar et al. 2019); 1: as they are. */
  repetitionPenalty?: number;
  /** As OpenAI's: subtracted from the logit of every token that was generated before. */
  presencePenalty?: number;
  /** As OpenAI's: subtracted once for each time that the token was generated before. */
  frequencyPenalty?: number;
  /** Token id → added to its logit; −100 bans, +100 forces. */
  logitBias?: Readonly<Record<number, number>>;
  /** The same seed gives the same text (see docs/api.md for what that holds for). Default: a new one each time. */
  seed?: number;
  /** Texts that end the generation; they are not part of it. */
  stop?: readonly string[];
  /** Tokens that end it, beside the model's own. */
  stopTokenIds?: readonly number[];
  /** Go on past the model's own end tokens (for load tests). */
  ignoreEos?: boolean;
  /** Report each token's log probability, and this many rivals. Undefined: neither. */
  topLogprobs?: number;
  /** Also report which experts fired for each token. */
  experts?: boolean;
  /** Draft tokens with the first MTP depth and verify them: the same text in fewer passes (default: where it pays). */
  draft?: boolean;
}

/** What a model's generation_config.json may say. */
export type SamplingDefaults = Pick<SamplingParams, "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty">;

/** [smallest, largest] of every number; whoever offers less (an API, a command) names these. */
export const SAMPLING_BOUNDS = {
  maxTokens: [0, 2 ** 24],
  temperature: [0, 2],
  topP: [0, 1],
  topK: [0, 2 ** 24],
  minP: [0, 1],
  repetitionPenalty: [0.01, 10],
  presencePenalty: [-2, 2],
  frequencyPenalty: [-2, 2],
  seed: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  topLogprobs: [0, 20],
} as const satisfies Partial<Record<keyof SamplingParams, readonly [number, number]>>;

/** What one request may name at most: each costs time at every token. */
export const SAMPLING_LIMITS = { stops: 16, stopLength: 1000, stopTokenIds: 64, logitBias: 1024, bias: 100 };

const WHOLE = new Set<keyof typeof SAMPLING_BOUNDS>(["maxTokens", "topK", "seed", "topLogprobs"]);

/** Parameters that are checked, with every default filled in. */
export interface ResolvedParams {
  maxTokens: number;
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  logitBias: readonly [id: number, add: number][];
  seed: number;
  stop: readonly string[];
  stopTokenIds: ReadonlySet<number>;
  ignoreEos: boolean;
  /** Null: no log probabilities. */
  topLogprobs: number | null;
  experts: boolean;
  /** Undefined: where it pays. */
  draft: boolean | undefined;
  /** Whoever asks again must get the same: a seed was given, or there is nothing to draw. */
  repeatable: boolean;
}

/**
 * @param vocabSize ids that have a token, and so may be named
 * @throws EngineError "invalid" that names the field
 */
export function resolveParams(given: SamplingParams, defaults: SamplingDefaults, vocabSize: number): ResolvedParams {
  const number = (field: keyof typeof SAMPLING_BOUNDS, fallback: number): number => {
    const value: unknown = given[field] ?? fallback;
    const [from, to] = SAMPLING_BOUNDS[field];
    const whole = WHOLE.has(field);
    if (typeof value === "number" && value >= from && value <= to && (!whole || Number.isInteger(value))) return value;
    return fail(field, ` must be a ${whole ? "whole " : ""}number from ${from} to ${to}`);
  };
  const { stop = [], stopTokenIds = [] } = given;
  const { stops, stopLength } = SAMPLING_LIMITS;
  if (stop.length > stops || stop.some((text) => text.length > stopLength))
    fail("stop", `: at most ${stops} texts of at most ${stopLength} characters`);
  if (stopTokenIds.length > SAMPLING_LIMITS.stopTokenIds || !stopTokenIds.every((id) => isId(id, vocabSize)))
    fail("stopTokenIds", `: at most ${SAMPLING_LIMITS.stopTokenIds} ids below ${vocabSize}`);
  const temperature = number("temperature", defaults.temperature ?? 0.7);
  return {
    maxTokens: given.maxTokens === undefined ? Number.POSITIVE_INFINITY : number("maxTokens", 0),
    temperature,
    topP: number("topP", defaults.topP ?? 1),
    topK: number("topK", defaults.topK ?? 0),
    minP: number("minP", defaults.minP ?? 0),
    repetitionPenalty: number("repetitionPenalty", defaults.repetitionPenalty ?? 1),
    presencePenalty: number("presencePenalty", 0),
    frequencyPenalty: number("frequencyPenalty", 0),
    logitBias: biasOf(given.logitBias ?? {}, vocabSize),
    seed: number("seed", Math.floor(Math.random() * 2 ** 32)),
    stop,
    stopTokenIds: new Set(stopTokenIds),
    ignoreEos: given.ignoreEos ?? false,
    topLogprobs: given.topLogprobs === undefined ? null : number("topLogprobs", 0),
    experts: given.experts ?? false,
    draft: given.draft,
    repeatable: given.seed !== undefined || temperature === 0,
  };
}

function fail(param: keyof SamplingParams, message: string): never {
  throw new EngineError("invalid", `${param}${message}`, { param });
}

function isId(id: number, vocabSize: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < vocabSize;
}

function biasOf(bias: Readonly<Record<number, number>>, vocabSize: number): [number, number][] {
  const { logitBias: most, bias: largest } = SAMPLING_LIMITS;
  const entries = Object.entries(bias).map(([id, add]): [number, number] => [Number(id), add]);
  const wrong = entries.find(([id, add]) => !(isId(id, vocabSize) && Math.abs(add) <= largest));
  if (wrong || entries.length > most) {
    const what = wrong ? `entry ${wrong[0]}: ${wrong[1]}` : `${entries.length} entries`;
    fail("logitBias", `: ${what}; at most ${most} ids below ${vocabSize}, each with −${largest} to ${largest}`);
  }
  return entries;
}
