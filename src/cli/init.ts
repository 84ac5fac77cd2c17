/** shoal init RECIPE DATA… */
import { existsSync, writeFileSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { Command, Option } from "commander";
import { InputError } from "../base/index.ts";
import { textOf } from "../data/index.ts";
import { parseRecipe, type RecipeSource, SIZES, type Size, suggestRecipe } from "../train/index.ts";
import { type InputFlags, Remarks, withInput, withInputs } from "./data-input.ts";

interface InitFlags extends InputFlags {
  size?: Size;
  from?: string;
}

export const initCommand = withInput(new Command("init").argument("<recipe>", "the file to write"))
  .addOption(new Option("--size <size>", "of a new model (default: what suits the data)").choices(SIZES))
  .option("--from <dir>", "a model's folder to start from, instead of a new one")
  .addHelpText(
    "after",
    `
Looks at the data and writes a recipe that fits them: text is learnt first, conversations after it, a part is held out to judge by.
docs/first-model.md leads from there to a model, and says what to expect.

Examples:
  shoal init mine.json texts chats.jsonl
  shoal plan train mine.json --cpu
  shoal train mine.json --watch
  shoal init tuned.json chats.jsonl --from models/minnow`,
  )
  .action(async (path: string, names: string[], flags: InitFlags) => {
    if (existsSync(path)) throw new InputError(`${path}: is there already; name another file, or delete it`);
    const texts: RecipeSource[] = [];
    const chats: RecipeSource[] = [];
    const remarks = new Remarks();
    await withInputs(names, flags.include, async (inputs) => {
      for (const [i, input] of inputs.entries()) {
        const source = { item: itemOf(names[i], path, flags), bytes: 0, documents: 0, longest: 0 };
        let conversations = 0;
        for await (const { document } of input.records(flags, remarks)) {
          source.documents++;
          const bytes = Buffer.byteLength(textOf(document));
          source.bytes += bytes;
          source.longest = Math.max(source.longest, bytes);
          if ("messages" in document) conversations++;
        }
        if (source.documents === 0) throw new InputError(`${names[i]}: there is no text in it`);
        (conversations > source.documents / 2 ? chats : texts).push(source);
      }
    });
    if (texts.length === 0 && flags.from === undefined)
      throw new InputError(
        "conversations alone make no new model: add texts to learn the language from, or name a model's folder with --from",
      );
    const { recipe, textTokens, chatTokens } = suggestRecipe(basename(path).replace(/\.json$/, ""), {
      texts,
      chats,
      size: flags.size,
      from: flags.from && beside(flags.from, path),
    });
    parseRecipe(recipe, path);
    writeFileSync(path, `${JSON.stringify(recipe, null, 2)}\n`, { flag: "wx" });
    const about = (tokens: number) => `about ${Number(tokens.toPrecision(2)).toLocaleString("en-US")} tokens`;
    const count = (sources: readonly RecipeSource[]) => sources.reduce((sum, { documents }) => sum + documents, 0);
    if (texts.length > 0) console.log(`text            ${count(texts)} documents, ${about(textTokens)}`);
    if (chats.length > 0) console.log(`conversations   ${count(chats)}, ${about(chatTokens)}`);
    console.log(`model           ${recipe.size ?? recipe.from}`);
    for (const { name, tokens } of recipe.stages)
      console.log(`${`stage ${name}`.padEnd(16)}${tokens.toLocaleString("en-US")} tokens`);
    for (const line of remarks.lines()) console.log(line);
    console.log(`\nwritten to ${path}; what it takes: shoal plan train ${path} --cpu; to begin: shoal train ${path}`);
  });

/** A path as it stands in a recipe that may be run from any folder. */
function beside(name: string, recipe: string): string {
  const there = relative(dirname(resolve(recipe)), resolve(name)).replaceAll("\\", "/");
  return there.startsWith("..") ? there : `./${there}`;
}

/** An input of the command as a source of the recipe. */
function itemOf(
  name: string,
  recipe: string,
  { field, promptField, replyField, include }: InputFlags,
): RecipeSource["item"] {
  const [, dataset, split] = /^hf:([^:]+)(?::(.+))?$/.exec(name) ?? [];
  const fields = { field, promptField, replyField };
  if (dataset !== undefined) return { dataset, ...(split && { split }), ...fields };
  return { path: beside(name, recipe), ...(include && { include: [...include] }), ...fields };
}
