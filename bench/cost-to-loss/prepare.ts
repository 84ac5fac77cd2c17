/**
 * Gives a peer the very tokens that a run of Shoal trains on:
 *   node bench/cost-to-loss/prepare.ts RECIPE RUN --data DIR --tokens N --out DIR
 * RUN is the folder of a run of RECIPE (its tokenizer and tokenised corpora are used). Writes train.u16, the first stage's sequences one after the other with one
 * token more each, the last one's target; and validation.json, the recipe's validation texts as tokens with their bytes.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer } from "../../src/text/index.ts";
import { loadRecipe } from "../../src/train/recipe/recipe.ts";
import { loadValidation } from "../../src/train/run/evaluate.ts";
import { mixtureOf, resolveData, tokenizerFolder } from "../../src/train/run/inputs.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: "string" }, tokens: { type: "string", default: "12000000" }, out: { type: "string" } },
});
const [recipePath, run] = positionals;
if (!run || !values.out) throw new Error("usage: prepare.ts RECIPE RUN --data DIR --tokens N --out DIR");

const recipe = loadRecipe(recipePath);
const options = { out: run, data: values.data, recipeDir: dirname(recipePath), onMessage: console.error };
const tokenizer = loadTokenizer(tokenizerFolder(run));
const [stage] = recipe.stages;
const { mixture } = await mixtureOf(stage, { tokenizer, mtpDepths: 0, seed: recipe.seed }, options);
const T = stage.sequenceLength;
mkdirSync(values.out, { recursive: true });

const file = openSync(join(values.out, "train.u16"), "w");
const sequences = Math.ceil(Number(values.tokens) / T);
for (let s = 0; s < sequences; s++) {
  const { ids, targets } = mixture.next(1);
  writeSync(file, Uint16Array.from([...ids[0], targets[0][T - 1]]));
}
closeSync(file);

const { validation } = recipe;
if (!validation || !("path" in validation)) throw new Error(`${recipePath}: needs a file to validate on`);
const texts = await loadValidation(resolveData(validation.path, options), tokenizer, {
  documents: validation.documents,
  maxTokens: T,
});
writeFileSync(
  join(values.out, "validation.json"),
  JSON.stringify({
    sequenceLength: T,
    vocabSize: tokenizer.vocabSize,
    texts: texts.map(({ ids, units }) => ({ ids: [...ids], bytes: units })),
  }),
);
console.log(`${sequences} sequences of ${T} tokens and ${texts.length} texts to validate on are in ${values.out}`);
