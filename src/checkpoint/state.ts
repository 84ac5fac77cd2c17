/**
 * Training state that can be resumed: a folder `step-00001234` of buffers and a JSON file with their checksums and its own. It is written under
 * another name, flushed, and renamed, so a folder of that name is whole unless something damages it later. Damaged ones are passed over; they are
 * never taken for none, and never kept in place of a whole one.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError, makeFolder, readRegularJson } from "../base/index.ts";
import { dtypeOf, type Storage, viewOf } from "../tensor/index.ts";
import { checksum, openSafetensors, type SafetensorsDtype, writeAtomically, writeSafetensors } from "./safetensors.ts";

const BUFFERS = "buffers.safetensors";
const STATE = "state.json";
/** It holds the recipe, positions in the data, and up to a few hundred losses. */
const MAX_STATE_BYTES = 2 ** 26;
const STORED = { f32: "F32", bf16: "BF16", f8e4m3: "F8_E4M3", i8: "I8", i32: "I32" } as const satisfies Record<
  string,
  SafetensorsDtype
>;

export interface TrainingState {
  buffers: Record<string, Storage>;
  json: Record<string, unknown>;
}

const nameOf = (step: number) => `step-${String(step).padStart(8, "0")}`;

/** Writes the state of `step` under `dir`. @throws InputError if the disk is full; what was there before stays whole */
export function saveState(dir: string, step: number, state: TrainingState): string {
  const path = join(dir, nameOf(step));
  const temporary = `${path}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  makeFolder(temporary);
  try {
    const entries = Object.entries(state.buffers);
    writeSafetensors(
      join(temporary, BUFFERS),
      entries.map(([name, data]) => ({ name, dtype: STORED[dtypeOf(data)], shape: [data.length], data })),
      {},
    );
    const checksums = Object.fromEntries(entries.map(([name, data]) => [name, checksum(data)]));
    const content = { step, checksums, state: state.json };
    writeAtomically(
      join(temporary, STATE),
      `${JSON.stringify({ ...content, checksum: checksumOf(content) }, null, 1)}\n`,
    );
    rmSync(path, { recursive: true, force: true });
    renameSync(temporary, path);
    syncFolder(dir);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  return path;
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** CRC-32 of what state.json says, by its canonical JSON. */
const checksumOf = (content: unknown): number => checksum(Buffer.from(JSON.stringify(content)));

const savedSchema = z.object({
  step: z.int().min(0),
  checksums: z.record(z.string(), z.number()),
  state: z.record(z.string(), z.unknown()),
  /** Older states have none. */
  checksum: z.number().optional(),
});

/** A state's folder, checked; buffers are bytes of the mapped file. @throws InputError if a part is missing or its checksum is wrong */
function openState(path: string) {
  const parsed = savedSchema.safeParse(readRegularJson(join(path, STATE), MAX_STATE_BYTES));
  if (!parsed.success) throw new InputError(`${path}/${STATE}: is not what Shoal wrote`);
  const { checksum: own, ...content } = parsed.data;
  if (own !== undefined && own !== checksumOf(content))
    throw new InputError(`${path}/${STATE}: does not match its checksum`);
  const file = openSafetensors(join(path, BUFFERS));
  const buffers = Object.entries(content.checksums).map(([name, expected]) => {
    const info = file.tensors.get(name);
    const dtype = (Object.keys(STORED) as (keyof typeof STORED)[]).find((key) => STORED[key] === info?.dtype);
    if (!info || !dtype) throw new InputError(`${path}/${BUFFERS}: buffer "${name}" is missing`);
    const bytes = file.bytes(name);
    if (checksum(bytes) !== expected)
      throw new InputError(`${path}/${BUFFERS}: buffer "${name}" does not match its checksum`);
    return { name, dtype, bytes, length: info.shape[0] };
  });
  return { ...content, buffers };
}

/** Reads a state back. @throws InputError if a part is missing or its checksum is wrong */
export function loadState(path: string): TrainingState & { step: number } {
  const { step, state, buffers } = openState(path);
  // Copies: the folder may be removed while they are used.
  const copy = ({ name, dtype, bytes, length }: (typeof buffers)[number]) =>
    [name, viewOf(dtype, bytes.slice().buffer, 0, length)] as const;
  return { step, json: state, buffers: Object.fromEntries(buffers.map(copy)) };
}

/** What stands in a folder; nothing where there is none. @throws InputError if it cannot be read, or is no folder */
function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new InputError(`${dir}: ${code === "ENOTDIR" ? "is no folder" : `cannot be read (${code})`}; move it away`);
  }
}

/** Every step that has a folder or file of its name under `dir`, newest first. */
function savedSteps(dir: string): number[] {
  return namesIn(dir)
    .map((name) => /^step-(\d{8,})$/.exec(name))
    .filter((match) => match !== null)
    .map((match) => Number(match[1]))
    .sort((a, b) => b - a);
}

/**
 * The newest whole state under `dir`, null where none was ever written. Nothing is changed. `onDamaged` is told of newer ones that are passed over.
 * @throws InputError where there are states and none of them is whole
 */
export function latestState(
  dir: string,
  onDamaged: (message: string, path: string) => void = () => {},
): (TrainingState & { step: number }) | null {
  const damaged: string[] = [];
  for (const step of savedSteps(dir)) {
    const path = join(dir, nameOf(step));
    try {
      const state = loadState(path);
      if (state.step !== step) throw new InputError(`${path}/${STATE}: is of step ${state.step}`);
      return state;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      damaged.push(error.message);
      onDamaged(error.message, path);
    }
  }
  if (damaged.length > 0)
    throw new InputError(
      `${dir}: none of the ${damaged.length} checkpoints is whole (${damaged.join("; ")}); put one back from a copy, or begin a new run with --out`,
    );
  return null;
}

/** Removes what a killed process left half written. Only who has the run's folder locked may do so. */
export function removeUnfinishedStates(dir: string): void {
  for (const name of namesIn(dir))
    if (/^step-\d+\.tmp$/.test(name)) rmSync(join(dir, name), { recursive: true, force: true });
}

/** Gives a damaged state another name, so that it neither stands in the way of the next of that step nor counts as one. @returns the new path */
export function setAsideState(path: string): string {
  let aside = `${path}.damaged`;
  for (let i = 2; existsSync(aside); i++) aside = `${path}.damaged-${i}`;
  renameSync(path, aside);
  return aside;
}

/** Removes all but the newest `keep` whole states. Where fewer are whole, nothing older than them goes; damaged ones never count. */
export function rotateStates(dir: string, keep: number): void {
  let whole = 0;
  for (const step of savedSteps(dir)) {
    const path = join(dir, nameOf(step));
    if (whole >= keep) rmSync(path, { recursive: true, force: true });
    else if (isWhole(path)) whole++;
  }
}

function isWhole(path: string): boolean {
  try {
    openState(path);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
