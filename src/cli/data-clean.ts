/** shoal data split, dedupe, decontaminate: what is written anew. */
import { basename } from "node:path";
import { InputError } from "../base/index.ts";
import {
  ContaminationIndex,
  checkOutputs,
  DuplicateFinder,
  hashShare,
  ITEM_FIELDS,
  isQuestion,
  isText,
  itemTexts,
  readObjects,
  readRecords,
  textOf,
  writeRecords,
} from "../data/index.ts";
import { integer, real } from "./common.ts";
import { count, counted, type InputFlags, Remarks, reader, recordsOf, tell, withInputs } from "./data-input.ts";

export const split = reader(
  "split",
  "hold out a share of the documents for validation, chosen by the hash of their text",
)
  .requiredOption("--share <x>", "of the documents, e.g. 0.005", real("--share", 1e-6, 0.999999))
  .requiredOption("--train <file>", "where the others go (.jsonl, .jsonl.gz or .jsonl.zst)")
  .requiredOption("--validation <file>", "where those that are held out go")
  .action(async (names: string[], flags: InputFlags & { share: number; train: string; validation: string }) => {
    await withInputs(names, flags.include, async (inputs, progress) => {
      const inputFiles = inputs.flatMap(({ files }) => files);
      checkOutputs({ "--train": flags.train, "--validation": flags.validation }, inputFiles);
      const remarks = new Remarks();
      const held: unknown[] = [];
      let kept = 0;
      // What is held out is small and waits in memory, so that the input is read once.
      const training = async function* () {
        for await (const { document, json } of recordsOf(inputs, flags, remarks)) {
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
        `${flags.train}: ${counted(kept, "document")}`,
        `${flags.validation}: ${counted(held.length, "document")}`,
      ];
      tell(flags, progress, { training: kept, validation: held.length }, lines, remarks);
    });
  });

export const dedupe = reader("dedupe", "leave out documents that repeat earlier ones, wholly or nearly")
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
      await withInputs(names, flags.include, async (inputs, progress) => {
        const inputFiles = inputs.flatMap(({ files }) => files);
        checkOutputs({ "--out": flags.out }, inputFiles);
        const finder = new DuplicateFinder({ n: flags.words, sample: flags.sample, share: flags.share });
        const remarks = new Remarks();
        const found = { exact: 0, near: 0 };
        let kept = 0;
        const unique = async function* () {
          for await (const { document, json, where } of recordsOf(inputs, flags, remarks)) {
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
          `${flags.out}: ${counted(kept, "document")}; left out ${count(found.exact)} exact and ${counted(found.near, "near duplicate")}`,
        ];
        tell(flags, progress, { kept, ...found }, lines, remarks);
      });
    },
  );

interface DecontaminateFlags extends InputFlags {
  against: string[];
  itemFields: string;
  words: number;
  out?: string;
}

export const decontaminate = reader("decontaminate", "find documents that hold text of evaluation items")
  .requiredOption("--against <eval...>", "evaluation sets: files, folders or patterns")
  .option("--item-fields <names>", "fields of an item that are compared", ITEM_FIELDS.join(","))
  .option("--words <n>", "words in common that count", integer("--words", 8, 100), 13)
  .option("--out <file>", "where the other documents go (.jsonl, .jsonl.gz or .jsonl.zst)")
  .action(async (names: string[], flags: DecontaminateFlags) => {
    const index = new ContaminationIndex(flags.words);
    const items = await addItems(index, flags);
    await withInputs(names, flags.include, async (inputs, progress) => {
      checkOutputs({ "--out": flags.out }, [...inputs.flatMap(({ files }) => files), ...items.files]);
      const remarks = new Remarks();
      const bySet: Record<string, number> = {};
      let documents = 0;
      let contaminated = 0;
      const clean = async function* () {
        for await (const { document, json, where } of recordsOf(inputs, flags, remarks)) {
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
        `${count(contaminated)} of ${counted(documents, "document")} share text with ${counted(items.compared, "item")} (${count(index.size.runs)} runs of ${flags.words} words, ${count(index.size.short)} short items)`,
        ...sets,
        ...items.lines,
        ...(flags.out === undefined ? [] : [`${flags.out}: ${counted(documents - contaminated, "document")}`]),
      ];
      tell(
        flags,
        progress,
        { documents, contaminated, bySet, items: items.compared, uncompared: items.uncompared, ...index.size },
        lines,
        remarks,
      );
    });
  });

interface Items {
  files: string[];
  /** Items of which some text is looked for. */
  compared: number;
  /** Those of which none is, by the reason. */
  uncompared: Record<string, number>;
  lines: string[];
}

/** Fills the index with the items of the evaluation sets. @throws InputError if none of them can be compared */
async function addItems(index: ContaminationIndex, flags: DecontaminateFlags): Promise<Items> {
  const fields = flags.itemFields.split(",").map((field) => field.trim());
  const items: Items = { files: [], compared: 0, uncompared: {}, lines: [] };
  const examples = new Map<string, string>();
  const leaveOut = (why: string, item: string) => {
    items.uncompared[why] = (items.uncompared[why] ?? 0) + 1;
    if (!examples.has(why)) examples.set(why, item);
  };
  await withInputs(flags.against, flags.include, async (inputs) => {
    items.files.push(...inputs.flatMap(({ files }) => files));
    for (const file of items.files) {
      const set = basename(file).replace(/\.\w+(\.(gz|zst))?$/i, "");
      let line = 0;
      for await (const json of itemsOf(file)) {
        line++;
        const item = `${set}#${json.id ?? line}`;
        const added = fields.flatMap((field) =>
          itemTexts(json, [field]).map((text) => index.add(item, text, isQuestion(field))),
        );
        if (added.includes("compared")) items.compared++;
        else if (added.length === 0)
          leaveOut(
            `have none of the fields ${fields.join(", ")}`,
            `${item} has ${Object.keys(json).slice(0, 8).join(", ")}`,
          );
        else
          leaveOut(
            added.includes("too common") ? "are too common to be compared" : "are too short to be compared",
            item,
          );
      }
    }
  });
  items.lines = Object.entries(items.uncompared).map(
    ([why, n]) =>
      `${count(n)} other items ${why} (${examples.get(why)}${why.startsWith("have") ? "; --item-fields names others" : ""})`,
  );
  if (items.compared > 0) return items;
  if (items.lines.length === 0) throw new InputError(`${flags.against.join(", ")}: there are no items in it`);
  const [why] = Object.keys(items.uncompared);
  throw new InputError(
    `${flags.against.join(", ")}: ${why.replace(/^have none/, "no item has any").replace(/^are/, "all items are")} (${examples.get(why)})${why.startsWith("have") ? "; name theirs with --item-fields" : ""}`,
  );
}

/** The items of a file of any format; a text is one. */
async function* itemsOf(file: string): AsyncGenerator<Record<string, unknown>> {
  const records = isText(file) ? readRecords(file, { onBad: "refuse" }) : readObjects(file, { onBad: "refuse" });
  for await (const { json } of records)
    if (typeof json === "object" && json !== null) yield json as Record<string, unknown>;
}
