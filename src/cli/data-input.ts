/** What the commands of `shoal data` read: records of files, patterns and data sets, with progress on stderr and a count of what was skipped. */
import { statSync } from "node:fs";
import { type Command, Option } from "commander";
import { type DataRecord, documentFiles, expandPath, readRecords, reasonOf } from "../data/index.ts";
import { StatusLine, UserAbort, untilInterrupted } from "./common.ts";

export interface InputFlags {
  field?: string;
  promptField?: string;
  replyField?: string;
  onBad: "skip" | "refuse";
  json: boolean;
}

/** Flags of every command that reads. */
export function withInput(command: Command): Command {
  return command
    .argument("<in...>", "files, folders, patterns (* and **), or hf:OWNER/NAME[:SPLIT] of the Hugging Face hub")
    .option("--field <name>", "the field of a text or a conversation (default: text, messages or conversations)")
    .option("--prompt-field <name>", "the field of a question, which with its reply becomes a conversation")
    .option("--reply-field <name>", "the field of the reply")
    .addOption(
      new Option("--on-bad <what>", "lines and files that cannot be read").choices(["skip", "refuse"]).default("skip"),
    )
    .option("--json", "print the result as JSON", false);
}

/** Counts of what was skipped, by reason. */
export type Skipped = Record<string, number>;

export interface Input {
  files: string[];
  bytes: number;
  /** The records of all files in order; Ctrl-C ends them with UserAbort. */
  records(flags: InputFlags, skipped: Skipped): AsyncGenerator<DataRecord & { file: string }>;
}

/** Finds the inputs, downloading data sets, and runs `work` on them until Ctrl-C. */
export async function withInputs(
  names: readonly string[],
  work: (inputs: Input[], progress: Progress) => Promise<void>,
): Promise<void> {
  const progress = new Progress();
  await untilInterrupted(async (signal) => {
    try {
      const inputs: Input[] = [];
      for (const name of names) inputs.push(await inputOf(name, progress, signal));
      progress.begin(inputs.reduce((sum, { bytes }) => sum + bytes, 0));
      await work(inputs, progress);
    } catch (error) {
      throw signal.aborted ? new UserAbort() : error;
    } finally {
      progress.end();
    }
  });
}

async function inputOf(name: string, progress: Progress, signal: AbortSignal): Promise<Input> {
  const [, dataset, split] = /^hf:([^:]+)(?::(.+))?$/.exec(name) ?? [];
  const onDownload = ({ file, bytes, totalBytes }: { file: string; bytes: number; totalBytes: number }) => {
    progress.show(`downloading ${file}: ${megabytes(bytes)} of ${megabytes(totalBytes)}`);
  };
  const files =
    dataset === undefined ? expandPath(name) : await documentFiles({ dataset, split }, { signal, onDownload });
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  async function* records(flags: InputFlags, skipped: Skipped): AsyncGenerator<DataRecord & { file: string }> {
    const { field, promptField, replyField, onBad } = flags;
    const onSkipped = (_: string, why: string) => {
      const reason = reasonOf(why);
      skipped[reason] = (skipped[reason] ?? 0) + 1;
    };
    const onRead = (read: number) => progress.read(read);
    for (const file of files) {
      for await (const record of readRecords(file, { field, promptField, replyField, onBad, onSkipped, onRead })) {
        signal.throwIfAborted();
        progress.count();
        yield { ...record, file };
      }
    }
  }
  return { files, bytes, records };
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

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
      `${this.documents} documents, ${(100 * share).toFixed(0)} % of ${megabytes(this.total)}, ${this.left(share)}`,
    );
  }
}
