/** generation_config.json: how a model wants its tokens chosen, and what ends its replies. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { readJsonObject } from "../../checkpoint/index.ts";
import { SAMPLING_BOUNDS, type SamplingDefaults } from "./params.ts";

export interface GenerationConfig {
  defaults: SamplingDefaults;
  /** Ids that end a reply; they may be more than config.json names. */
  endIds: number[];
}

/** A folder's; empty where it has none. @throws InputError for a value that no request could ask for */
export function readGenerationConfig(dir: string): GenerationConfig {
  const path = join(dir, "generation_config.json");
  return existsSync(path) ? parseGenerationConfig(readJsonObject(path), path) : { defaults: {}, endIds: [] };
}

/** @param where names the file in errors */
export function parseGenerationConfig(json: Readonly<Record<string, unknown>>, where: string): GenerationConfig {
  const number = (name: string, field: keyof SamplingDefaults): number | undefined => {
    const value = json[name];
    if (value === undefined || value === null) return undefined;
    const [from, to] = SAMPLING_BOUNDS[field];
    if (typeof value === "number" && value >= from && value <= to) return value;
    throw new InputError(`${where}: ${name} is ${JSON.stringify(value)}; it must be a number from ${from} to ${to}`);
  };
  const eos = Array.isArray(json.eos_token_id) ? json.eos_token_id : [json.eos_token_id];
  return {
    defaults: {
      temperature: json.do_sample === false ? 0 : number("temperature", "temperature"),
      topP: number("top_p", "topP"),
      // Some write −1 for all tokens.
      topK: json.top_k === -1 ? 0 : number("top_k", "topK"),
      minP: number("min_p", "minP"),
      repetitionPenalty: number("repetition_penalty", "repetitionPenalty"),
    },
    endIds: eos.filter((id): id is number => Number.isInteger(id)),
  };
}
