/** What a stage learns from: each source with its weight, and, where ledger or cache tell its size, its share and how often it is read. */
import { basename } from "node:path";
import { labelOf } from "../../data/index.ts";
import { type Stage, stageTokens } from "../../train/index.ts";
import type { Course } from "./course.ts";
import type { RunFolder } from "./run-folder.ts";

export interface SourceShare {
  name: string;
  weight: number;
  /** Null where nothing tells. */
  tokens: number | null;
  /** Of the stage's tokens. */
  share: number | null;
  /** Passes over it in the whole stage. */
  passes: number | null;
  /** Documents left out as bad. */
  skipped: number;
}

interface Known {
  course: Pick<Course, "sources">;
  folder: Pick<RunFolder, "sources">;
}

/** The sources of a stage, largest share first. */
export function sharesOf(stage: Stage, known: Known): SourceShare[] {
  const items = stage.mixture.map((item) => {
    const name = "path" in item ? item.path : labelOf(item);
    const { tokens, skipped } = sizeOf(stage.name, name, known);
    return { name, weight: item.weight, tokens: Number.isFinite(tokens) ? tokens : null, skipped };
  });
  const total = items.reduce((sum, { weight, tokens }) => sum + weight * (tokens ?? Number.NaN), 0);
  const shares = items.map((item) => {
    const share = item.tokens !== null && total > 0 ? (item.weight * item.tokens) / total : null;
    return { ...item, share, passes: share === null ? null : (share * stageTokens(stage)) / item.tokens! };
  });
  return shares.sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
}

/** As the ledger tells it once the stage has begun; before that, or in older ledgers, as the cache does. */
function sizeOf(stage: string, name: string, { course, folder }: Known): { tokens: number; skipped: number } {
  const told = course.sources.get(JSON.stringify([stage, name]));
  if (told) return told;
  const inCache = basename(name).replace(/[^\w.-]/g, "_");
  const found = folder.sources.filter((source) => source.name === inCache);
  // Two sources of one name (another seed, a file that has changed): nobody can tell here which is meant.
  return found.length === 1 ? found[0] : { tokens: Number.NaN, skipped: 0 };
}
