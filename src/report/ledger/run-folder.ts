/** What a run's folder says beside its ledger: the recipe, the model, the data. All of it may be missing while the run begins. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { openSafetensors, readJsonObject } from "../../checkpoint/index.ts";
import { type ModelConfig, parseConfig } from "../../model/index.ts";
import { type Counts, countDeepseek } from "../../plan/index.ts";
import { loadTokenizer } from "../../text/index.ts";
import { loadRecipe, type Recipe, resolveStages, stageTokens } from "../../train/index.ts";

/** A tokenised source of the run's cache. */
export interface TokenisedSource {
  name: string;
  documents: number;
  tokens: number;
  textBytes: number;
  /** Documents that could not be read. */
  skipped: number;
}

export interface RunFolder {
  dir: string;
  recipe: Recipe | null;
  /** Of the last stage. */
  config: ModelConfig | null;
  counts: Counts | null;
  sources: TokenisedSource[];
  /** The finished model stands in it. */
  finished: boolean;
  /** Tokens that the recipe's stages take, in whole steps. */
  totalTokens: number;
}

/** Files and folders whose change makes a folder worth reading again. */
const WATCHED = ["recipe.json", "tokenizer/tokenizer.json", "cache", "model/config.json"];

/** Reads a run's folder again only when something other than the ledger has changed. */
export class RunFolderReader {
  private readonly dir: string;
  private key = "";
  private folder: RunFolder | null = null;

  constructor(dir: string) {
    this.dir = dir;
  }

  read(): RunFolder {
    const key = WATCHED.map((name) => statSync(join(this.dir, name), { throwIfNoEntry: false })?.mtimeMs ?? 0).join();
    if (this.folder && key === this.key) return this.folder;
    this.key = key;
    this.folder = readRunFolder(this.dir);
    return this.folder;
  }
}

/** Whatever of the folder can be read. @throws InputError for a recipe that is there and wrong */
export function readRunFolder(dir: string): RunFolder {
  const recipePath = join(dir, "recipe.json");
  const recipe = existsSync(recipePath) ? loadRecipe(recipePath) : null;
  const finished = existsSync(join(dir, "model", "config.json"));
  const config = configOf(dir, recipe);
  return {
    dir,
    recipe,
    config,
    counts: config && countDeepseek(config),
    sources: tokenisedSources(join(dir, "cache")),
    finished,
    totalTokens: recipe ? recipe.stages.reduce((sum, stage) => sum + stageTokens(stage), 0) : Number.NaN,
  };
}

/** The finished model's configuration, or that of the folder it starts from, or what the recipe and the run's tokenizer make of it; null before that is known. */
function configOf(dir: string, recipe: Recipe | null): ModelConfig | null {
  try {
    const finished = join(dir, "model", "config.json");
    if (existsSync(finished)) return parseConfig(readJsonObject(finished), finished);
    if (recipe?.from !== undefined) {
      // The folder that it starts from, where it can be found from here.
      const start = join(recipe.from, "config.json");
      return existsSync(start) ? parseConfig(readJsonObject(start), start) : null;
    }
    if (!recipe || !existsSync(join(dir, "tokenizer", "tokenizer.json"))) return null;
    return resolveStages(recipe, loadTokenizer(join(dir, "tokenizer"))).at(-1)!.config;
  } catch (error) {
    // A file that is being written at this moment; the report does without.
    if (error instanceof InputError) return null;
    throw error;
  }
}

function tokenisedSources(cache: string): TokenisedSource[] {
  if (!existsSync(cache)) return [];
  const names = readdirSync(cache).filter((name) => /-[0-9a-f]{16}\.safetensors$/.test(name));
  return names.sort().flatMap((name) => {
    try {
      const { tensors, metadata } = openSafetensors(join(cache, name));
      return [
        {
          name: name.replace(/-[0-9a-f]{16}\.safetensors$/, ""),
          documents: tensors.get("starts")!.shape[0] - 1,
          tokens: tensors.get("tokens")!.shape[0],
          textBytes: Number(metadata.textBytes),
          skipped: Number(metadata.skipped),
        },
      ];
    } catch {
      // Not (or not yet) a tokenised corpus.
      return [];
    }
  });
}
