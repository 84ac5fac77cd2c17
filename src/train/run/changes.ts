/** What may be another than it was when a run is taken up again: some of the recipe, and, if that is wanted, its data. */
import { crc32 } from "node:zlib";
import { InputError } from "../../base/index.ts";
import type { Corpus } from "../../data/index.ts";
import { parseRecipe } from "../recipe/recipe.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { RunState } from "./run-state.ts";

/** Fields that say nothing of what is learnt. */
const FREE = ["$schema", "description", "checkpoint", "price", "export", "samples", "onSpike"];
/** Fields of the stage at hand that may be changed while it goes on: the rates. */
const RATES = ["lr", "schedule"];

/**
 * What of a begun run's recipe has changed and counts, a line each: rates of the stage at hand. Stages that have not begun may be changed as they please.
 * @throws InputError naming the first field that must stay as it was
 */
export function recipeChanges(recipe: Recipe, { recipe: before, stage }: RunState, out: string): string[] {
  // Parsed again, so that fields which are new since then get their defaults.
  const begun = ({ stages, ...rest }: Recipe) => ({ ...rest, stages: stages.slice(0, stage + 1) });
  const changes: string[] = [];
  for (const { path, was, is } of differences(begun(parseRecipe(JSON.parse(before))), begun(recipe))) {
    if (FREE.includes(path[0])) continue;
    const line = `${path.join(".")}: ${JSON.stringify(was) ?? "nothing"} → ${JSON.stringify(is) ?? "nothing"}`;
    const [of, index, field] = path;
    if (of !== "stages" || Number(index) !== stage || !RATES.includes(field))
      throw new InputError(
        `${out}: the recipe is not the one that this run began with (${line}); only stages that have not begun, and lr and schedule of the stage at hand, may change: put it back, or begin a new run with --out`,
      );
    changes.push(line);
  }
  return changes;
}

interface Difference {
  path: string[];
  was: unknown;
  is: unknown;
}

function differences(was: unknown, is: unknown, path: string[] = []): Difference[] {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (isObject(was) && isObject(is) && Array.isArray(was) === Array.isArray(is)) {
    const keys = new Set([...Object.keys(was), ...Object.keys(is)]);
    return [...keys].flatMap((key) => differences(was[key], is[key], [...path, key]));
  }
  return was === is ? [] : [{ path, was, is }];
}

/**
 * Holds the fingerprint of what a run reads against the one that was noted, if one was. Returns whether it is another, which `accept` allows.
 * @throws InputError where it is another and that is not accepted; `remedy` says what helps then
 */
export function hasChanged(
  noted: string | undefined,
  print: string,
  { what, accept = false, remedy }: { what: string; accept?: boolean; remedy: string },
): boolean {
  const changed = noted !== undefined && noted !== print;
  if (changed && !accept) throw new InputError(`${what}: is not what it was when the run was stopped; ${remedy}`);
  return changed;
}

/** A short name for bytes: their number and CRC-32. */
export function printOf(...parts: (string | ArrayBufferView)[]): string {
  let sum = 0;
  let length = 0;
  for (const part of parts) {
    const bytes =
      typeof part === "string" ? Buffer.from(part) : new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    sum = crc32(bytes, sum);
    length += bytes.length;
  }
  return `${length}-${sum.toString(16).padStart(8, "0")}`;
}

/** By the tokens themselves: what is learnt counts, not names and times of files. */
export const corpusPrint = ({ tokens, mask, starts }: Corpus): string => printOf(tokens, mask, starts);

/** By the content of files, in order of their names. */
export const filesPrint = (files: Record<string, string>): string =>
  printOf(
    ...Object.keys(files)
      .sort()
      .flatMap((name) => [name, files[name]]),
  );
