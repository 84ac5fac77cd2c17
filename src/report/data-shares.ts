/** What a stage learns from: each source with its weight, and, where the run's cache tells its size, its share and how often it is read. */
import { basename } from "node:path";
import type { Stage } from "../train/index.ts";
import { type RunFolder, stageTokens, type TokenisedSource } from "./run-folder.ts";

export interface SourceShare {
  name: string;
  weight: number;
  /** Null where the cache does not tell. */
  tokens: number | null;
  /** Of the stage's tokens. */
  share: number | null;
  /** Passes over it in the whole stage. */
  passes: number | null;
}

/** The sources of a stage, largest share first. A stage of preference pairs names its file. */
export function sharesOf(stage: Stage, { sources }: Pick<RunFolder, "sources">): SourceShare[] {
  const byName = new Map<string, TokenisedSource[]>();
  for (const source of sources) byName.set(source.name, [...(byName.get(source.name) ?? []), source]);
  const items = stage.mixture.map((item) => {
    const name = nameOf(item);
    const found = byName.get(basename(name).replace(/[^\w.-]/g, "_")) ?? [];
    // Two sources of one name (another seed, a file that has changed): nobody can tell here which is meant.
    return { name, weight: item.weight, tokens: found.length === 1 ? found[0].tokens : null };
  });
  const total = items.reduce((sum, { weight, tokens }) => sum + weight * (tokens ?? Number.NaN), 0);
  const shares = items.map(({ name, weight, tokens }) => {
    const share = tokens !== null && Number.isFinite(total) ? (weight * tokens) / total : null;
    return { name, weight, tokens, share, passes: share === null ? null : (share * stageTokens(stage)) / tokens! };
  });
  return shares.sort((a, b) => (b.share ?? 0) - (a.share ?? 0));
}

function nameOf(item: Stage["mixture"][number]): string {
  return "path" in item ? item.path : `tasks ${item.tasks.join("+")}`;
}
