/**
 * Training state that can be resumed: a folder `step-00001234` of buffers and a JSON file with their checksums. It is written under another
 * name, flushed, and renamed, so a folder of that name is always whole; one whose checksum fails is passed over.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { InputError } from "../base/index.ts";
import { dtypeOf, type Storage, viewOf } from "../tensor/index.ts";
import { checksum, openSafetensors, type SafetensorsDtype, writeAtomically, writeSafetensors } from "./safetensors.ts";

const BUFFERS = "buffers.safetensors";
const STATE = "state.json";
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
  mkdirSync(temporary, { recursive: true });
  try {
    const entries = Object.entries(state.buffers);
    writeSafetensors(
      join(temporary, BUFFERS),
      entries.map(([name, data]) => ({ name, dtype: STORED[dtypeOf(data)], shape: [data.length], data })),
      {},
    );
    const checksums = Object.fromEntries(entries.map(([name, data]) => [name, checksum(data)]));
    writeAtomically(join(temporary, STATE), `${JSON.stringify({ step, checksums, state: state.json }, null, 1)}\n`);
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

/** Reads a state back. @throws InputError if a part is missing or its checksum is wrong */
export function loadState(path: string): TrainingState & { step: number } {
  let saved: { step: number; checksums: Record<string, number>; state: Record<string, unknown> };
  try {
    saved = JSON.parse(readFileSync(join(path, STATE), "utf8"));
  } catch (error) {
    throw new InputError(`${path}/${STATE}: cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
  const file = openSafetensors(join(path, BUFFERS));
  const buffers: Record<string, Storage> = {};
  for (const [name, expected] of Object.entries(saved.checksums)) {
    const info = file.tensors.get(name);
    const dtype = (Object.keys(STORED) as (keyof typeof STORED)[]).find((key) => STORED[key] === info?.dtype);
    if (!info || !dtype) throw new InputError(`${path}/${BUFFERS}: buffer "${name}" is missing`);
    const bytes = file.bytes(name).slice();
    const data = viewOf(dtype, bytes.buffer, 0, info.shape[0]);
    if (checksum(data) !== expected)
      throw new InputError(`${path}/${BUFFERS}: buffer "${name}" does not match its checksum`);
    buffers[name] = data;
  }
  return { step: saved.step, buffers, json: saved.state };
}

function savedSteps(dir: string): number[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .map((name) => /^step-(\d+)$/.exec(name))
    .filter((match) => match !== null)
    .map((match) => Number(match[1]))
    .sort((a, b) => b - a);
}

/** The newest whole state under `dir`; damaged ones are reported and passed over, unfinished ones removed. Null where there is none. */
export function latestState(
  dir: string,
  onDamaged: (message: string) => void = () => {},
): (TrainingState & { step: number }) | null {
  if (!existsSync(dir)) return null;
  for (const name of readdirSync(dir))
    if (name.startsWith("step-") && name.endsWith(".tmp")) rmSync(join(dir, name), { recursive: true, force: true });
  for (const step of savedSteps(dir)) {
    try {
      return loadState(join(dir, nameOf(step)));
    } catch (error) {
      onDamaged((error as Error).message);
    }
  }
  return null;
}

/** Removes all but the newest `keep` states. */
export function rotateStates(dir: string, keep: number): void {
  for (const step of savedSteps(dir).slice(keep)) rmSync(join(dir, nameOf(step)), { recursive: true, force: true });
}
