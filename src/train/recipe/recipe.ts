/** A recipe: everything that makes a training run, in one JSON file. Unknown or wrong fields are refused, with the nearest valid name. */
import { join } from "node:path";
import { InputError, readRegularText } from "../../base/index.ts";
import { explain } from "./errors.ts";
import { resolveStages } from "./model.ts";
import { type Recipe, recipeSchema, type Stage } from "./schema.ts";
import { modelOfSize, SIZES, vocabularyOfSize } from "./sizes.ts";

const MAX_RECIPE_BYTES = 2 ** 20;

/** Reads a recipe file. @throws InputError naming the field */
export function loadRecipe(path: string): Recipe {
  const text = readRegularText(path, MAX_RECIPE_BYTES);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path}: not valid JSON: ${(error as Error).message.split("\n")[0]}`);
  }
  return parseRecipe(json, path);
}

/** The folder of a run that is given none. @throws InputError for a name that would lead elsewhere */
export function runFolderOf({ name }: Pick<Recipe, "name">, where = "recipe"): string {
  const plain = /^[^/\\:*?"<>|]{1,100}$/.test(name) && !name.includes("..") && !/^[.~\s-]|[.\s]$|\p{Cc}/u.test(name);
  if (!plain)
    throw new InputError(
      `${where}: name ${JSON.stringify(name.slice(0, 120))} cannot be a folder's: leave out / \\ : * ? " < > | and .., and begin with a letter or number; or name the run's folder with --out`,
    );
  return join("runs", name);
}

/** Checks a recipe. @throws InputError naming the field */
export function parseRecipe(json: unknown, where = "recipe"): Recipe {
  const parsed = recipeSchema.safeParse(json);
  if (!parsed.success) throw new InputError(`${where}: ${explain(parsed.error.issues[0], recipeSchema)}`);
  const recipe = withSize(parsed.data, where);
  for (const [i, stage] of recipe.stages.entries()) checkStage(stage, `${where}: stages.${i}`);
  if (recipe.from !== undefined) {
    for (const field of ["tokenizer", "model"] as const)
      if (recipe[field]) throw new InputError(`${where}: "from" brings its own ${field}; leave out one of the two`);
    return recipe;
  }
  for (const field of ["tokenizer", "model"] as const)
    if (!recipe[field])
      throw new InputError(
        `${where}: ${field} is missing (or give a "size": ${SIZES.join(", ")}; or name a model's folder in "from")`,
      );
  if (recipe.lora) throw new InputError(`${where}: lora adds to a model that is there; name its folder in "from"`);
  // Wrong model fields should be found before a tokenizer is trained.
  resolveStages(recipe, { vocabSize: 1024, bosId: 0, eosId: 1 }, where);
  return recipe;
}

/** Fills in what a size stands for. @throws InputError */
function withSize(recipe: Recipe, where: string): Recipe {
  const { size, stages, tokenizer, model } = recipe;
  if (size === undefined) return recipe;
  if (recipe.from !== undefined) throw new InputError(`${where}: "from" brings its own size; leave out one of the two`);
  // Stages that lengthen the context do so from what the model has.
  const positions = Math.max(
    0,
    ...stages.filter(({ contextFactor }) => !contextFactor).map((stage) => stage.sequenceLength),
  );
  return {
    ...recipe,
    tokenizer: tokenizer ?? { vocabSize: vocabularyOfSize(size), digits: 1, trainBytes: 100_000_000 },
    model: { ...modelOfSize(size, positions), ...model },
  };
}

/** What must hold between fields of a stage. @throws InputError */
function checkStage(stage: Stage, where: string): void {
  const fail = (message: string): never => {
    throw new InputError(`${where}${message}`);
  };
  const { batchSequences, microBatchSequences: micro = batchSequences, batchRamp, preference } = stage;
  const { decayFrom, decayTo, warmup } = stage.schedule;
  if (decayTo < decayFrom || decayFrom < warmup) fail(".schedule: warmup, decayFrom and decayTo must rise");
  if (batchSequences % micro)
    fail(`: batchSequences ${batchSequences} must be a multiple of microBatchSequences ${micro}`);
  if (batchRamp && (batchRamp.from % micro || batchRamp.from > batchSequences))
    fail(
      `.batchRamp.from: ${batchRamp.from} must be a multiple of microBatchSequences ${micro} up to ${batchSequences}`,
    );
  if (preference && stage.mixture.length > 0) fail(": has a mixture and a preference; leave out one of the two");
  if (!preference && stage.mixture.length === 0) fail(".mixture: names no data (nor is there a preference)");
  if (preference && micro < 2)
    fail(
      ": microBatchSequences must be at least 2 with a preference: both replies of a pair go through the model together",
    );
}
