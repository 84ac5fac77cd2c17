/** What commands share: flags with checked ranges, the default model, interruption, small formatting. */
import { fileURLToPath } from "node:url";
import { InvalidArgumentError } from "commander";
import type { Kernels } from "../tensor/index.ts";

/** The model that ships with Shoal: from src/cli (a clone) and from dist/cli (installed) alike. */
export const MINNOW = fileURLToPath(new URL("../../models/minnow", import.meta.url));

/** Ctrl-C: the command ends with 130 and no message of its own. */
export class UserAbort extends Error {}

/** A parser of whole numbers in a range, for options. */
export function integer(flag: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`${flag} takes a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** A parser of numbers in a range, for options. */
export function real(flag: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= least && value <= most))
      throw new InvalidArgumentError(`${flag} takes a number from ${least} to ${most}.`);
    return value;
  };
}

/** Says in one line that there are no native kernels, where there are none. */
export function announceKernels(kernels: Kernels): void {
  if (kernels.isa === "reference")
    process.stderr.write(
      "Running on the reference kernels in TypeScript: right, but slow. A C++ compiler (g++, make, python3) makes it fast.\n",
    );
}

/** What asks a process to end: Ctrl-C, a service manager, a terminal that closes. */
const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs work with a signal that the first Ctrl-C (or SIGTERM, or SIGHUP) aborts; a second one ends the process at once. */
export async function untilInterrupted<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  for (const name of ENDINGS) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of ENDINGS) process.off(name, stop);
  }
}

const MILLISECONDS_ON_TERMINAL = 200;
const MILLISECONDS_IN_LOG = 5000;

/** One line on stderr for work that takes long: rewritten on a terminal, now and then a new one in a log. */
export class StatusLine {
  private began = performance.now();
  private shown = performance.now();
  private dirty = false;

  show(line: string): void {
    const now = performance.now();
    const terminal = process.stderr.isTTY;
    if (now - this.shown < (terminal ? MILLISECONDS_ON_TERMINAL : MILLISECONDS_IN_LOG)) return;
    this.shown = now;
    this.dirty = terminal;
    process.stderr.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
  }

  /** The work that shares are of begins now, and not with the line. */
  protected restart(): void {
    this.began = performance.now();
  }

  /** How long the rest will take when so large a share is done. */
  protected left(share: number): string {
    const seconds = (performance.now() - this.began) / 1000;
    return `${duration(seconds * (1 / share - 1))} left`;
  }

  /** Clears the line. */
  end(): void {
    if (this.dirty) process.stderr.write("\r\x1b[K");
    this.dirty = false;
  }
}

/** Shows how far the copy of a model in 8 or 4 bits is, which is made at its first start. */
export class QuantisingLine extends StatusLine {
  readonly onQuantising = (share: number) =>
    this.show(`quantising the model, once: ${(100 * share).toFixed(0)} %, ${this.left(share)}`);
}

/** 3725 → "1h 02m". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}h ${two(m)}m` : m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}
