/** A run at one moment, all that its pages show. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { type Course, CourseReader } from "./course.ts";
import { type Figures, figuresOf, type Prices } from "./figures.ts";
import { type RunFolder, RunFolderReader } from "./run-folder.ts";

export interface RunView {
  folder: RunFolder;
  course: Course;
  figures: Figures;
  /** When the ledger last grew, milliseconds since 1970; null before its first line. */
  writtenAt: number | null;
  now: number;
}

/** A run's folder that is looked at again and again: each look reads only what is new. */
export class RunReader {
  private readonly folder: RunFolderReader;
  private readonly ledger: CourseReader;
  private readonly prices: Prices;

  constructor(dir: string, prices: Prices = {}) {
    this.folder = new RunFolderReader(dir);
    this.ledger = new CourseReader(join(dir, "ledger.jsonl"));
    this.prices = prices;
  }

  /** @throws InputError for a recipe that is there and wrong */
  read(now = Date.now()): RunView {
    const folder = this.folder.read();
    const writtenAt = this.ledger.poll();
    const { course } = this.ledger;
    return {
      folder,
      course,
      writtenAt,
      now,
      figures: figuresOf(folder, course, { prices: this.prices, writtenAt, now }),
    };
  }
}

/** Reads a run once. @throws InputError for a folder without a ledger, or with a recipe that is wrong */
export function readRun(dir: string, prices?: Prices): RunView {
  if (!statSync(join(dir, "ledger.jsonl"), { throwIfNoEntry: false })?.isFile())
    throw new InputError(`${dir}: holds no ledger.jsonl; name the folder of a run, as in: shoal report runs/tiny`);
  return new RunReader(dir, prices).read();
}
