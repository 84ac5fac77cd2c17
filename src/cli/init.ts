/** shoal init RECIPE DATA… */
import { existsSync, writeFileSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { Command, Option } from "commander";
import { InputError } from "../base/index.ts";
import { textOf } from "../data/index.ts";
import { parseRecipe, type RecipeSource, SIZES, type Size, suggestRecipe } from "../train/index.ts";
import { type InputFlags, type Skipped, withInput, withInputs } from "./data-input.ts";

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
    const skipped: Skipped = {};
    await withInputs(names, async (inputs) => {
      for (const [i, input] of inputs.entries()) {
        const source = { path: names[i], bytes: 0, documents: 0 };
        let conversations = 0;
        for await (const { document } of input.records(flags, skipped)) {
          source.documents++;
          source.bytes += Buffer.byteLength(textOf(document));
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
    // The recipe may then be run from any folder.
    const beside = (name: string) => {
      const there = relative(dirname(resolve(path)), resolve(name));
      return there.startsWith("..") ? there : `./${there}`;
    };
    const named = (source: RecipeSource) => ({ ...source, path: beside(source.path) });
    const { recipe, textTokens, chatTokens } = suggestRecipe(basename(path).replace(/\.json$/, ""), {
      texts: texts.map(named),
      chats: chats.map(named),
      size: flags.size,
      from: flags.from && beside(flags.from),
    });
    parseRecipe(recipe, path);
    writeFileSync(path, `${JSON.stringify(recipe, null, 2)}\n`, { flag: "wx" });
    const about = (tokens: number) => `about ${Number((tokens / 1e6).toPrecision(2))}M tokens`;
    const count = (sources: readonly RecipeSource[]) => sources.reduce((sum, { documents }) => sum + documents, 0);
    if (texts.length > 0) console.log(`text            ${count(texts)} documents, ${about(textTokens)}`);
    if (chats.length > 0) console.log(`conversations   ${count(chats)}, ${about(chatTokens)}`);
    console.log(`model           ${recipe.size ?? recipe.from}`);
    for (const { name, tokens } of recipe.stages) console.log(`${`stage ${name}`.padEnd(16)}${tokens} tokens`);
    console.log(`\nwritten to ${path}; what it takes: shoal plan train ${path} --cpu; to begin: shoal train ${path}`);
  });
