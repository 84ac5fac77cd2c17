/** A request's settings, checked and with every default filled in. */
import { EngineError, type GenerationSettings, type ModelInfo } from "../engine.ts";

export interface Settings {
  maxTokens: number;
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  logitBias: [id: number, add: number][];
  seed: number;
  stop: readonly string[];
  ignoreEos: boolean;
  /** Null: no log probabilities. */
  topLogprobs: number | null;
  experts: boolean;
  /** Undefined: where it pays. */
  draft: boolean | undefined;
}

export const SETTINGS_LIMITS = { topLogprobs: 20, stops: 16, stopLength: 1024, logitBias: 4096 };

/**
 * @param vocabSize ids that a bias may name
 * @throws EngineError "invalid" that names the field
 */
export function resolveSettings(
  given: GenerationSettings,
  defaults: ModelInfo["defaults"],
  vocabSize: number,
): Settings {
  const number = (field: keyof GenerationSettings, fallback: number, from: number, to: number, whole = false) => {
    const value = given[field] ?? fallback;
    if (typeof value !== "number" || !(value >= from && value <= to) || (whole && !Number.isInteger(value)))
      throw new EngineError("invalid", `${field} must be ${range(from, to, whole)}`, { param: field });
    return value;
  };
  const stop = given.stop ?? [];
  if (stop.length > SETTINGS_LIMITS.stops || stop.some((text) => text.length > SETTINGS_LIMITS.stopLength)) {
    const message = `stop: at most ${SETTINGS_LIMITS.stops} strings of at most ${SETTINGS_LIMITS.stopLength} characters`;
    throw new EngineError("invalid", message, { param: "stop" });
  }
  const most = Number.MAX_SAFE_INTEGER;
  return {
    maxTokens: given.maxTokens === undefined ? Number.POSITIVE_INFINITY : number("maxTokens", 0, 0, most, true),
    temperature: number("temperature", defaults.temperature ?? 0.7, 0, 100),
    topP: number("topP", defaults.topP ?? 1, 0, 1),
    topK: number("topK", defaults.topK ?? 0, 0, most, true),
    minP: number("minP", defaults.minP ?? 0, 0, 1),
    repetitionPenalty: number("repetitionPenalty", defaults.repetitionPenalty ?? 1, 0.01, 100),
    presencePenalty: number("presencePenalty", 0, -100, 100),
    frequencyPenalty: number("frequencyPenalty", 0, -100, 100),
    logitBias: biasOf(given.logitBias ?? {}, vocabSize),
    seed: number("seed", Math.floor(Math.random() * 2 ** 32), -most, most, true),
    stop,
    ignoreEos: given.ignoreEos ?? false,
    topLogprobs:
      given.topLogprobs === undefined ? null : number("topLogprobs", 0, 0, SETTINGS_LIMITS.topLogprobs, true),
    experts: given.experts ?? false,
    draft: given.draft,
  };
}

function range(from: number, to: number, whole: boolean): string {
  const upTo = to === Number.MAX_SAFE_INTEGER ? `of at least ${from}` : `from ${from} to ${to}`;
  return from === -Number.MAX_SAFE_INTEGER ? "a whole number" : `a ${whole ? "whole " : ""}number ${upTo}`;
}

function biasOf(bias: Readonly<Record<number, number>>, vocabSize: number): [number, number][] {
  const entries = Object.entries(bias).map(([id, add]): [number, number] => [Number(id), add]);
  const wrong = entries.find(
    ([id, add]) => !(Number.isInteger(id) && id >= 0 && id < vocabSize && add >= -100 && add <= 100),
  );
  if (wrong || entries.length > SETTINGS_LIMITS.logitBias) {
    const what = wrong ? `entry ${wrong[0]}: ${wrong[1]}` : `${entries.length} entries`;
    const message = `logitBias: ${what}; at most ${SETTINGS_LIMITS.logitBias} ids below ${vocabSize}, each with −100 to 100`;
    throw new EngineError("invalid", message, { param: "logitBias" });
  }
  return entries;
}
