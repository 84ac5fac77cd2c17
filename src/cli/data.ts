/** shoal data: look at data, and clean it */
import { Argument, Command, Option } from "commander";
import { bytesText, Random } from "../base/index.ts";
import {
  type DataRecord,
  type Document,
  EXERCISE_KINDS,
  type ExerciseKind,
  type ExerciseSplit,
  encodeDocuments,
  generateApart,
  generateExercise,
  generateTask,
  type Split,
  TASK_KINDS,
  type TaskKind,
  textOf,
} from "../data/index.ts";
import { loadTokenizer } from "../text/index.ts";
import { integer } from "./common.ts";
import { decontaminate, dedupe, split } from "./data-clean.ts";
import {
  count,
  counted,
  type Input,
  type InputFlags,
  passedOverLines,
  Remarks,
  reader,
  recordsOf,
  type Skipped,
  tell,
  withInputs,
} from "./data-input.ts";
import { preview } from "./data-preview.ts";
import { visible } from "./token-view.ts";

interface Counts {
  input: string;
  documents: number;
  conversations: number;
  bytes: number;
  longest: number;
  tokens?: number;
  skipped: Skipped;
  noted?: Skipped;
  passedOver?: Input["passedOver"];
}

const stats = reader("stats", "documents, bytes and tokens; what cannot be read, and why")
  .option("--tokenizer <dir>", "a model's folder: count tokens, too")
  .action(async (names: string[], flags: InputFlags & { tokenizer?: string }) => {
    const tokenizer = flags.tokenizer === undefined ? null : loadTokenizer(flags.tokenizer);
    await withInputs(names, flags.include, async (inputs, progress) => {
      const rows: Counts[] = [];
      const lines: string[] = [];
      const all: Skipped = {};
      for (const [i, input] of inputs.entries()) {
        const remarks = new Remarks();
        const row: Counts = {
          input: names[i],
          documents: 0,
          conversations: 0,
          bytes: 0,
          longest: 0,
          skipped: remarks.skipped,
          ...(tokenizer && { tokens: 0 }),
        };
        for await (const { document } of input.records(flags, remarks)) {
          const bytes = Buffer.byteLength(textOf(document));
          row.documents++;
          row.conversations += "messages" in document ? 1 : 0;
          row.bytes += bytes;
          row.longest = Math.max(row.longest, bytes);
          if (tokenizer) row.tokens! += encodeDocuments([document], tokenizer).tokens.length;
        }
        for (const [reason, n] of Object.entries(remarks.skipped)) all[reason] = (all[reason] ?? 0) + n;
        if (Object.keys(remarks.noted).length > 0) row.noted = remarks.noted;
        if (Object.keys(input.passedOver).length > 0) row.passedOver = input.passedOver;
        rows.push(row);
        const { documents, conversations, bytes, longest, tokens } = row;
        lines.push(
          `${names[i]}: ${counted(documents, "document")}${conversations > 0 ? ` (${counted(conversations, "conversation")})` : ""}, ${bytesText(bytes)} of text${tokens === undefined ? "" : `, ${count(tokens)} tokens`}, longest ${count(longest)} bytes`,
          ...passedOverLines(names[i], input.passedOver),
          ...remarks.lines(),
        );
      }
      tell(flags, progress, { inputs: rows, skipped: all }, lines);
    });
  });

/** A text as it is; of a conversation who says what, what is called, and what is not learnt. */
function shown(document: Document): string {
  if ("text" in document) return visible(document.text, false);
  const lines = document.messages.flatMap(({ role, content, toolCalls = [], learn }) => [
    `${role}${learn === false ? " (not learnt)" : ""}: ${content}`,
    ...toolCalls.map((call) => `  calls ${call.name} ${call.arguments}`),
  ]);
  const tools = document.tools ? [`tools: ${document.tools.map(({ name }) => name).join(", ")}`] : [];
  return visible([...tools, ...lines].join("\n"), false);
}

const sample = reader("sample", "print some documents, drawn from all of them")
  .option("--count <n>", "how many", integer("--count", 1, 10_000), 5)
  .option("--seed <n>", "of the draw", integer("--seed", 0, 2 ** 31), 1)
  .action(async (names: string[], flags: InputFlags & { count: number; seed: number }) => {
    await withInputs(names, flags.include, async (inputs, progress) => {
      const random = new Random(flags.seed);
      const chosen: { at: number; record: DataRecord }[] = [];
      let seen = 0;
      // Each document so far is as likely to be among the chosen as any other (Vitter's algorithm R).
      for await (const record of recordsOf(inputs, flags, new Remarks())) {
        const place = seen < flags.count ? seen : random.below(seen + 1);
        if (place < flags.count) chosen[place] = { at: seen, record };
        seen++;
      }
      progress.end();
      for (const { record } of chosen.sort((a, b) => a.at - b.at))
        console.log(
          flags.json
            ? JSON.stringify({ where: record.where, ...record.json })
            : `── ${record.where}\n${shown(record.document)}\n`,
        );
    });
  });

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
      for (const kind of kinds) await writeLine(generate(kind, flags.split, flags.seed, i));
  });

const exercises = new Command("exercises")
  .description("print generated exercises in many wordings, one JSON object a line")
  .addArgument(new Argument("<kind...>", "kinds of exercises").choices(EXERCISE_KINDS))
  .option("--count <n>", "how many of each kind", integer("--count", 1, 10_000_000), 10)
  .option("--seed <n>", "other seeds give other exercises", integer("--seed", 0, 2 ** 31), 1)
  .addOption(
    new Option("--split <name>", "train; or tests in wordings that training has, or has not")
      .choices(["train", "seen-forms", "unseen-forms"])
      .default("train"),
  )
  .action(async (kinds: ExerciseKind[], flags: { count: number; seed: number; split: ExerciseSplit }) => {
    for (let i = 0; i < flags.count; i++)
      for (const kind of kinds) await writeLine(generateExercise(kind, flags.split, flags.seed, i));
  });

/** One JSON object on standard output, no faster than it is read. */
async function writeLine(record: object): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(record)}\n`))
    await new Promise((resume) => process.stdout.once("drain", resume));
}

export const dataCommand = new Command("data").addHelpText(
  "after",
  `
Reads .txt, .md, .jsonl, .json and .parquet, plain, .gz or .zst, and chats in the usual forms; see docs/data.md.

Examples:
  shoal data stats ../data/pretrain --tokenizer models/minnow
  shoal data sample 'notes/**/*.md' --count 3
  shoal data preview recipes/lora-example.json
  shoal data preview chats.json --tokenizer models/minnow
  shoal data dedupe crawl/*.jsonl.zst --out clean.jsonl.zst
  shoal data decontaminate clean.jsonl.zst --against ../data/eval --out safe.jsonl.zst
  shoal data split safe.jsonl.zst --share 0.005 --train train.jsonl.zst --validation validation.jsonl.zst
  shoal data stats hf:owner/name:train
  shoal data tasks arithmetic bug --split test --seed 7 --count 100 > tasks.jsonl
  shoal data exercises sums stories --split unseen-forms --count 5`,
);
for (const command of [stats, sample, preview, split, dedupe, decontaminate, tasks, exercises])
  dataCommand.addCommand(command);
