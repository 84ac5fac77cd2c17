/** One blob from the hub: resumed where it stopped, hashed as it is written, and in its place only when it is whole. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { InputError } from "../base/index.ts";
import { ask, refuse, Unreachable } from "./request.ts";

export const TRANSFER_LIMITS = {
  /** Attempts without a single new byte before a download is given up. */
  attempts: 6,
  /** Seconds without a byte after which a connection counts as dead. */
  stallSeconds: Number(process.env.HF_HUB_DOWNLOAD_TIMEOUT ?? 30),
  /** Longest wait that a server may ask for with Retry-After, in seconds. */
  maxRetryAfter: 120,
};

/** A file of a repository on the hub. */
export interface RemoteFile {
  path: string;
  /** In bytes. */
  size: number;
  /** SHA-256 of a large file; git's SHA-1 (over "blob <size>\0" and the bytes) of a small one; null where the hub does not say. */
  etag: string | null;
}

export interface Transfer {
  /** For errors: "owner/name", "data set …". */
  where: string;
  url: string;
  file: RemoteFile;
  /** Where the blob shall lie. */
  path: string;
  onBytes: (bytes: number) => void;
  signal?: AbortSignal;
}

/** A connection that ended too early, or a server that is too busy: worth another attempt. */
class Interrupted extends Error {
  readonly retryAfter: number | null;

  constructor(message: string, retryAfter: number | null = null) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** Downloads a blob. onBytes is told how many of its bytes are here. @throws InputError in one line; what has come is kept for the next attempt */
export async function transfer(job: Transfer): Promise<void> {
  const part = `${job.path}.part`;
  mkdirSync(dirname(job.path), { recursive: true });
  let damaged = false;
  for (let attempt = 1, before = sizeOf(part); ; attempt++) {
    try {
      const hash = await receive(job, part);
      if (job.file.etag === null || hash === job.file.etag) break;
      // A part of an earlier, damaged attempt may be to blame: once more from the beginning.
      rmSync(part, { force: true });
      if (damaged)
        throw new InputError(
          `${job.where}: ${job.file.path} arrived damaged twice (its hash is not what the hub says); try again later`,
        );
      damaged = true;
    } catch (error) {
      job.signal?.throwIfAborted();
      if (!(error instanceof Interrupted) && !(error instanceof Unreachable)) throw error;
      const now = sizeOf(part);
      // Whoever makes progress may go on: a slow line breaks off a hundred times.
      if (now > before) attempt = 1;
      before = now;
      if (attempt >= TRANSFER_LIMITS.attempts)
        throw new InputError(
          `${job.where}: the download of ${job.file.path} broke off ${attempt} times at byte ${now} of ${job.file.size} (${error.message}); the same command goes on from there`,
        );
      const asked = error instanceof Interrupted ? error.retryAfter : null;
      const pause = asked === null ? 250 * 3 ** (attempt - 1) : Math.min(asked, TRANSFER_LIMITS.maxRetryAfter) * 1000;
      await wait(Math.min(pause, 120_000), undefined, { signal: job.signal });
    }
  }
  renameSync(part, job.path);
}

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

/** Fetches what is missing of a part. Returns the hash of the whole. */
async function receive({ where, url, file, onBytes, signal }: Transfer, part: string): Promise<string> {
  const stall = new AbortController();
  const both = signal ? AbortSignal.any([signal, stall.signal]) : stall.signal;
  let timer = setTimeout(() => stall.abort(), TRANSFER_LIMITS.stallSeconds * 1000);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(), TRANSFER_LIMITS.stallSeconds * 1000);
  };
  try {
    let at = sizeOf(part);
    if (at > file.size) at = 0;
    let hash = hashOf(file);
    if (at > 0) for await (const chunk of createReadStream(part, { end: at - 1 })) hash.update(chunk as Buffer);
    onBytes(at);
    if (at === file.size && at > 0) return hash.digest("hex");
    alive();
    const response = await ask(where, url, at > 0 ? { range: `bytes=${at}-` } : {}, both);
    if (response.status >= 500 || response.status === 429 || response.status === 408)
      throw new Interrupted(`${new URL(url).host} answered with ${response.status}`, retryAfter(response));
    if (response.status === 416) throw restart(part, "the server does not have that range");
    if (response.status !== 200 && response.status !== 206) refuse(where, response);
    if (response.status === 206 && !startsAt(response, at)) throw restart(part, "the server sent another range");
    if (response.status === 200 && at > 0) {
      // A server that sends everything again is taken at its word.
      at = 0;
      hash = hashOf(file);
    }
    const handle = await open(part, at > 0 ? "r+" : "w");
    try {
      for await (const chunk of response.body ?? []) {
        alive();
        if (at + chunk.length > file.size) {
          rmSync(part, { force: true });
          throw new InputError(`${where}: ${file.path} is longer than the ${file.size} bytes that it should have`);
        }
        await handle.write(chunk, 0, chunk.length, at);
        hash.update(chunk);
        at += chunk.length;
        onBytes(at);
      }
      if (at < file.size) throw new Interrupted(`${at} of ${file.size} bytes came`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return hash.digest("hex");
  } catch (error) {
    signal?.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC")
      throw new InputError(`${part}: the disk is full; free some space, the same command goes on from there`);
    if (error instanceof InputError || error instanceof Interrupted) throw error;
    if (code !== undefined && /^E(ACCES|PERM|ROFS|DQUOT|NOTDIR|ISDIR)$/.test(code))
      throw new InputError(`${part}: cannot be written (${code})`);
    throw new Interrupted(stall.signal.aborted ? `no byte came for ${TRANSFER_LIMITS.stallSeconds} s` : message);
  } finally {
    clearTimeout(timer);
  }
}

/** The part is of no use: the next attempt begins anew. */
function restart(part: string, why: string): Interrupted {
  rmSync(part, { force: true });
  return new Interrupted(why);
}

/** The hash by which the hub names a blob: SHA-256, or git's SHA-1 with its header. */
export function hashOf({ etag, size }: Pick<RemoteFile, "etag" | "size">): Hash {
  return etag?.length !== 40 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

const startsAt = (response: Response, at: number): boolean =>
  new RegExp(`^bytes ${at}-`).test(response.headers.get("content-range") ?? `bytes ${at}-`);

function retryAfter(response: Response): number | null {
  const value = response.headers.get("retry-after");
  if (value === null) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
