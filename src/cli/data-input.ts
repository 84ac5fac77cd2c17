/** What the commands of `shoal data` read: records of files, patterns and data sets, with progress on stderr and a count of what was skipped. */
import { statSync } from "node:fs";
import { Command, Option } from "commander";
import { bytesText } from "../base/index.ts";
import {
  type DataRecord,
  documentFiles,
  explainPassedOver,
  explainSkipped,
  type FoundFiles,
  findFiles,
  readRecords,
  reasonOf,
  textEnding,
} from "../data/index.ts";
import { StatusLine, UserAbort, untilInterrupted } from "./common.ts";

export interface InputFlags {
  field?: string;
  promptField?: string;
  replyField?: string;
  include?: string[];
  onBad: "skip" | "refuse";
  json: boolean;
}

/** Flags of every command that reads. */
export function withInput(command: Command): Command {
  return command
    .argument("<in...>", "files, folders, patterns (* and **), or hf:OWNER/NAME[:SPLIT] of the Hugging Face hub")
    .option("--field <name>", "the field of a text or a conversation (default: the forms that docs/data.md lists)")
    .option("--prompt-field <name>", "the field of a question, which with its reply becomes a conversation")
    .option("--reply-field <name>", "the field of the reply")
    .option(
      "--include <pattern>",
      "of folders, read further files as text: '*.rst' (may be given several times)",
      (pattern: string, before: string[] = []) => [...before, pattern],
    )
    .addOption(
      new Option("--on-bad <what>", "lines and files that cannot be read").choices(["skip", "refuse"]).default("skip"),
    )
    .option("--json", "print the result as JSON", false);
}

export const reader = (name: string, description: string): Command =>
  withInput(new Command(name).description(description));

export const count = (n: number): string => n.toLocaleString("en-US");

/** Counts of what was skipped, by reason. */
export type Skipped = Record<string, number>;

/** What was skipped and not used, with the first place of each reason. */
export class Remarks {
  readonly skipped: Skipped = {};
  readonly noted: Skipped = {};
  private readonly first = new Map<string, string>();

  readonly onSkipped = (where: string, why: string): void => {
    const reason = reasonOf(why);
    this.skipped[reason] = (this.skipped[reason] ?? 0) + 1;
    if (!this.first.has(reason)) this.first.set(reason, `${where}: ${why}`);
  };

  readonly onNote = (_: string, note: string): void => {
    this.noted[note] = (this.noted[note] ?? 0) + 1;
  };

  lines(): string[] {
    const lines = Object.entries(this.noted).map(([note, times]) => `${times} times ${note}`);
    if (Object.keys(this.skipped).length > 0) lines.push(explainSkipped(this.skipped));
    return [...lines, ...[...this.first.values()].slice(0, MAX_PLACES).map((place) => `  first: ${place}`)];
  }
}

const MAX_PLACES = 10;

/** The result, as JSON or as lines, and what was skipped and not used. */
export function tell(
  flags: InputFlags,
  progress: Progress,
  result: object,
  lines: readonly string[],
  remarks?: Remarks,
): void {
  progress.end();
  const noted = remarks && Object.keys(remarks.noted).length > 0 ? { noted: remarks.noted } : {};
  if (flags.json) console.log(JSON.stringify({ ...result, ...(remarks && { skipped: remarks.skipped }), ...noted }));
  else for (const line of [...lines, ...(remarks?.lines() ?? [])]) console.log(line);
}

/** All records of all inputs. */
export async function* recordsOf(
  inputs: readonly Input[],
  flags: InputFlags,
  remarks: Remarks,
): AsyncGenerator<DataRecord & { file: string }> {
  for (const input of inputs) yield* input.records(flags, remarks);
}

/** "notes: not read: 3 .rst (0.1 MB); --include '*.rst' reads such files as text", or nothing. */
export function passedOverLines(name: string, passedOver: FoundFiles["passedOver"]): string[] {
  const kinds = explainPassedOver(passedOver);
  if (kinds === "") return [];
  const hint = textEnding(passedOver, (ending) => `; --include '*${ending}' reads such files as text`);
  return [`${name}: not read: ${kinds}${hint}`];
}

export interface Input extends FoundFiles {
  bytes: number;
  /** The records of all files in order; Ctrl-C ends them with UserAbort. */
  records(flags: InputFlags, remarks: Remarks): AsyncGenerator<DataRecord & { file: string }>;
}

/** Finds the inputs, downloading data sets, and runs `work` on them until Ctrl-C. */
export async function withInputs(
  names: readonly string[],
  include: readonly string[] | undefined,
  work: (inputs: Input[], progress: Progress) => Promise<void>,
): Promise<void> {
  const progress = new Progress();
  await untilInterrupted(async (signal) => {
    try {
      const inputs: Input[] = [];
      for (const name of names) inputs.push(await inputOf(name, include, { progress, signal }));
      progress.begin(inputs.reduce((sum, { bytes }) => sum + bytes, 0));
      await work(inputs, progress);
    } catch (error) {
      throw signal.aborted ? new UserAbort() : error;
    } finally {
      progress.end();
    }
  });
}

async function inputOf(
  name: string,
  include: readonly string[] | undefined,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<Input> {
  const [, dataset, split] = /^hf:([^:]+)(?::(.+))?$/.exec(name) ?? [];
  const onDownload = ({ file, bytes, totalBytes }: { file: string; bytes: number; totalBytes: number }) => {
    progress.show(`downloading ${file}: ${bytesText(bytes)} of ${bytesText(totalBytes)}`);
  };
  const found: FoundFiles =
    dataset === undefined
      ? findFiles(name, include)
      : { files: await documentFiles({ dataset, split }, { signal, onDownload }), passedOver: {} };
  const bytes = found.files.reduce((sum, file) => sum + statSync(file).size, 0);
  async function* records(flags: InputFlags, remarks: Remarks): AsyncGenerator<DataRecord & { file: string }> {
    const { field, promptField, replyField, onBad } = flags;
    const { onSkipped, onNote } = remarks;
    const onRead = (read: number) => progress.read(read);
    const options = { field, promptField, replyField, onBad, onSkipped, onNote, onRead, signal };
    for (const file of found.files) {
      for await (const record of readRecords(file, options)) {
        signal.throwIfAborted();
        progress.count();
        yield { ...record, file };
      }
    }
  }
  return { ...found, bytes, records };
}

/** "1 document", "2 documents". */
export const counted = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** How far the reading of all inputs is. */
export class Progress extends StatusLine {
  private bytes = 0;
  private total = 0;
  private documents = 0;

  begin(total: number): void {
    this.total = total;
    this.restart();
  }

  read(bytes: number): void {
    this.bytes += bytes;
  }

  count(): void {
    this.documents++;
    if (this.documents % 64 > 0) return;
    const share = Math.min(1, this.bytes / Math.max(1, this.total));
    this.show(
      `${this.documents} documents, ${(100 * share).toFixed(0)} % of ${bytesText(this.total)}, ${this.left(share)}`,
    );
  }
}
