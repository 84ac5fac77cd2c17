/** shoal data: look at data, and clean it */
import { basename } from "node:path";
import { Argument, Command, Option } from "commander";
import { InputError, Random } from "../base/index.ts";
import {
  ContaminationIndex,
  type DataRecord,
  DuplicateFinder,
  encodeDocuments,
  explainSkipped,
  generateApart,
  generateTask,
  hashShare,
  ITEM_FIELDS,
  itemTexts,
  readObjects,
  type Split,
  TASK_KINDS,
  type TaskKind,
  textOf,
  writeRecords,
} from "../data/index.ts";
import { loadTokenizer } from "../text/index.ts";
import { integer, real } from "./common.ts";
import {
  type Input,
  type InputFlags,
  megabytes,
  type Progress,
  type Skipped,
  withInput,
  withInputs,
} from "./data-input.ts";

const count = (n: number): string => n.toLocaleString("en-US");
const reader = (name: string, description: string): Command => withInput(new Command(name).description(description));

/** All records of all inputs. */
async function* recordsOf(
  inputs: readonly Input[],
  flags: InputFlags,
  skipped: Skipped,
): AsyncGenerator<DataRecord & { file: string }> {
  for (const input of inputs) yield* input.records(flags, skipped);
}

/** The result, as JSON or as lines. */
function tell(flags: InputFlags, progress: Progress, result: object, lines: readonly string[], skipped: Skipped): void {
  progress.end();
  if (flags.json) console.log(JSON.stringify({ ...result, skipped }));
  else
    for (const line of Object.keys(skipped).length > 0 ? [...lines, explainSkipped(skipped)] : lines) console.log(line);
}

interface Counts {
  documents: number;
  conversations: number;
  bytes: number;
  longest: number;
  tokens?: number;
}

const stats = reader("stats", "documents, bytes and tokens; what cannot be read, and why")
  .option("--tokenizer <dir>", "a model's folder: count tokens, too")
  .action(async (names: string[], flags: InputFlags & { tokenizer?: string }) => {
    const tokenizer = flags.tokenizer === undefined ? null : loadTokenizer(flags.tokenizer);
    await withInputs(names, async (inputs, progress) => {
      const rows: (Counts & { input: string; skipped: Skipped })[] = [];
      for (const [i, input] of inputs.entries()) {
        const row = {
          input: names[i],
          documents: 0,
          conversations: 0,
          bytes: 0,
          longest: 0,
          skipped: {} as Skipped,
          ...(tokenizer && { tokens: 0 }),
        };
        for await (const { document } of input.records(flags, row.skipped)) {
          const bytes = Buffer.byteLength(textOf(document));
          row.documents++;
          row.conversations += "messages" in document ? 1 : 0;
          row.bytes += bytes;
          row.longest = Math.max(row.longest, bytes);
          if (tokenizer) row.tokens! += encodeDocuments([document], tokenizer).tokens.length;
        }
        rows.push(row);
      }
      const all: Skipped = {};
      for (const { skipped } of rows)
        for (const [reason, n] of Object.entries(skipped)) all[reason] = (all[reason] ?? 0) + n;
      const lines = rows.map(
        ({ input, documents, conversations, bytes, longest, tokens }) =>
          `${input}: ${count(documents)} documents${conversations > 0 ? ` (${count(conversations)} conversations)` : ""}, ${megabytes(bytes)} of text${tokens === undefined ? "" : `, ${count(tokens)} tokens`}, longest ${count(longest)} bytes`,
      );
      tell(flags, progress, { inputs: rows }, lines, all);
    });
  });

const sample = reader("sample", "print some documents, drawn from all of them")
  .option("--count <n>", "how many", integer("--count", 1, 10_000), 5)
  .option("--seed <n>", "of the draw", integer("--seed", 0, 2 ** 31), 1)
  .action(async (names: string[], flags: InputFlags & { count: number; seed: number }) => {
    await withInputs(names, async (inputs, progress) => {
      const random = new Random(flags.seed);
      const chosen: { at: number; record: DataRecord }[] = [];
      let seen = 0;
      // Each document so far is as likely to be among the chosen as any other (Vitter's algorithm R).
      for await (const record of recordsOf(inputs, flags, {})) {
        const place = seen < flags.count ? seen : random.below(seen + 1);
        if (place < flags.count) chosen[place] = { at: seen, record };
        seen++;
      }
      progress.end();
      for (const { record } of chosen.sort((a, b) => a.at - b.at))
        console.log(
          flags.json
            ? JSON.stringify({ where: record.where, ...record.json })
            : `── ${record.where}\n${textOf(record.document)}\n`,
        );
    });
  });

const split = reader("split", "hold out a share of the documents for validation, chosen by the hash of their text")
  .requiredOption("--share <x>", "of the documents, e.g. 0.005", real("--share", 1e-6, 0.999999))
  .requiredOption("--train <file>", "where the others go (.jsonl, .jsonl.gz or .jsonl.zst)")
  .requiredOption("--validation <file>", "where those that are held out go")
  .action(async (names: string[], flags: InputFlags & { share: number; train: string; validation: string }) => {
    await withInputs(names, async (inputs, progress) => {
      const skipped: Skipped = {};
      const held: unknown[] = [];
      let kept = 0;
      // What is held out is small and waits in memory, so that the input is read once.
      const training = async function* () {
        for await (const { document, json } of recordsOf(inputs, flags, skipped)) {
          if (hashShare(textOf(document)) < flags.share) held.push(json);
          else {
            kept++;
            yield json;
          }
        }
      };
      await writeRecords(flags.train, training());
      await writeRecords(
        flags.validation,
        (async function* () {
          yield* held;
        })(),
      );
      const lines = [
        `${flags.train}: ${count(kept)} documents`,
        `${flags.validation}: ${count(held.length)} documents`,
      ];
      tell(flags, progress, { training: kept, validation: held.length }, lines, skipped);
    });
  });

const dedupe = reader("dedupe", "leave out documents that repeat earlier ones, wholly or nearly")
  .requiredOption("--out <file>", "where the others go (.jsonl, .jsonl.gz or .jsonl.zst)")
  .option(
    "--share <x>",
    "share of its runs of words, seen before, above which a document is a near duplicate",
    real("--share", 0.01, 1),
    0.5,
  )
  .option("--words <n>", "words of a run", integer("--words", 2, 100), 13)
  .option(
    "--sample <n>",
    "look at one of so many runs; 1 finds short near duplicates, for more memory",
    integer("--sample", 1, 1024),
    16,
  )
  .option("--list", "print what is left out, one line each", false)
  .action(
    async (
      names: string[],
      flags: InputFlags & { out: string; share: number; words: number; sample: number; list: boolean },
    ) => {
      await withInputs(names, async (inputs, progress) => {
        const finder = new DuplicateFinder({ n: flags.words, sample: flags.sample, share: flags.share });
        const skipped: Skipped = {};
        const found = { exact: 0, near: 0 };
        let kept = 0;
        const unique = async function* () {
          for await (const { document, json, where } of recordsOf(inputs, flags, skipped)) {
            const duplicate = finder.check(textOf(document));
            if (duplicate === null) {
              kept++;
              yield json;
              continue;
            }
            found[duplicate.kind]++;
            if (!flags.list) continue;
            const share = duplicate.kind === "near" ? duplicate.share : 1;
            console.log(
              flags.json
                ? JSON.stringify({ where, kind: duplicate.kind, share })
                : `${where}: ${duplicate.kind} duplicate (${(100 * share).toFixed(0)} %)`,
            );
          }
        };
        await writeRecords(flags.out, unique());
        const lines = [
          `${flags.out}: ${count(kept)} documents; left out ${count(found.exact)} exact and ${count(found.near)} near duplicates`,
        ];
        tell(flags, progress, { kept, ...found }, lines, skipped);
      });
    },
  );

interface DecontaminateFlags extends InputFlags {
  against: string[];
  itemFields: string;
  words: number;
  out?: string;
}

const decontaminate = reader("decontaminate", "find documents that hold text of evaluation items")
  .requiredOption("--against <eval...>", "evaluation sets: files, folders or patterns")
  .option("--item-fields <names>", "fields of an item that are compared", ITEM_FIELDS.join(","))
  .option("--words <n>", "words in common that count", integer("--words", 8, 100), 13)
  .option("--out <file>", "where the other documents go (.jsonl, .jsonl.gz or .jsonl.zst)")
  .action(async (names: string[], flags: DecontaminateFlags) => {
    const index = new ContaminationIndex(flags.words);
    const items = await addItems(index, flags);
    await withInputs(names, async (inputs, progress) => {
      const skipped: Skipped = {};
      const bySet: Record<string, number> = {};
      let documents = 0;
      let contaminated = 0;
      const clean = async function* () {
        for await (const { document, json, where } of recordsOf(inputs, flags, skipped)) {
          documents++;
          const overlaps = index.find(textOf(document));
          if (overlaps.length === 0) {
            yield json;
            continue;
          }
          contaminated++;
          for (const set of new Set(overlaps.map(({ item }) => item.split("#")[0]))) bySet[set] = (bySet[set] ?? 0) + 1;
          progress.end();
          for (const { item, words } of overlaps)
            console.log(
              flags.json
                ? JSON.stringify({ where, item, words: words.join(" ") })
                : `${where}: ${item}: ${words.length} words: ${words.join(" ")}`,
            );
        }
      };
      if (flags.out !== undefined) await writeRecords(flags.out, clean());
      else for await (const _ of clean());
      const sets = Object.entries(bySet).map(([set, n]) => `  ${set}: ${count(n)}`);
      const lines = [
        `${count(contaminated)} of ${count(documents)} documents share text with ${count(items)} items (${count(index.size.runs)} runs of ${flags.words} words, ${count(index.size.short)} short items)`,
        ...sets,
        ...(flags.out === undefined ? [] : [`${flags.out}: ${count(documents - contaminated)} documents`]),
      ];
      tell(flags, progress, { documents, contaminated, bySet, items, ...index.size }, lines, skipped);
    });
  });

/** Fills the index with the items of the evaluation sets; their number. */
async function addItems(index: ContaminationIndex, flags: DecontaminateFlags): Promise<number> {
  const fields = flags.itemFields.split(",").map((field) => field.trim());
  let items = 0;
  await withInputs(flags.against, async (inputs) => {
    for (const file of inputs.flatMap(({ files }) => files)) {
      const set = basename(file).replace(/\.(jsonl|ndjson)(\.(gz|zst))?$/, "");
      let line = 0;
      for await (const { json } of readObjects(file, { onBad: "refuse" })) {
        line++;
        if (typeof json !== "object" || json === null) continue;
        const { id = line } = json as { id?: unknown };
        const texts = itemTexts(json as Record<string, unknown>, fields);
        if (texts.length > 0) items++;
        for (const text of texts) index.add(`${set}#${id}`, text);
      }
    }
  });
  if (items === 0)
    throw new InputError(`${flags.against.join(", ")}: no item has any of the fields ${fields.join(", ")}`);
  return items;
}

const tasks = new Command("tasks")
  .description("print generated tasks with their solutions, one JSON object a line")
  .addArgument(new Argument("<kind...>", "kinds of tasks").choices(TASK_KINDS))
  .option("--count <n>", "how many of each kind", integer("--count", 1, 10_000_000), 10)
  .option("--seed <n>", "other seeds give other tasks", integer("--seed", 0, 2 ** 31), 1)
  .addOption(new Option("--split <name>", "train or test").choices(["train", "test"]).default("train"))
  .option("--apart", "only problems that the other split does not have", false)
  .action(async (kinds: TaskKind[], flags: { count: number; seed: number; split: Split; apart: boolean }) => {
    const generate = flags.apart ? generateApart : generateTask;
    for (let i = 0; i < flags.count; i++)
      for (const kind of kinds)
        if (!process.stdout.write(`${JSON.stringify(generate(kind, flags.split, flags.seed, i))}\n`))
          await new Promise((resume) => process.stdout.once("drain", resume));
  });

export const dataCommand = new Command("data").addHelpText(
  "after",
  `
Reads .txt, .md, .jsonl and .parquet, plain, .gz or .zst; see docs/data.md.

Examples:
  shoal data stats ../data/pretrain --tokenizer models/minnow
  shoal data sample 'notes/**/*.md' --count 3
  shoal data dedupe crawl/*.jsonl.zst --out clean.jsonl.zst
  shoal data decontaminate clean.jsonl.zst --against ../data/eval --out safe.jsonl.zst
  shoal data split safe.jsonl.zst --share 0.005 --train train.jsonl.zst --validation validation.jsonl.zst
  shoal data stats hf:owner/name:train
  shoal data tasks arithmetic bug --split test --seed 7 --count 100 > tasks.jsonl`,
);
for (const command of [stats, sample, split, dedupe, decontaminate, tasks]) dataCommand.addCommand(command);
