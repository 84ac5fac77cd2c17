/** Models by name: what is missing is downloaded into the shared cache, and the snapshot's folder is what everything else reads. */
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { bytesText, InputError } from "../../base/index.ts";
import { hubUrl, isOffline, Unreachable } from "../request.ts";
import { transfer } from "../transfer.ts";
import { withBlobLock } from "./blob-lock.ts";
import { cachedCommit, hubCache, type ModelName, repositoryFolder } from "./cache.ts";
import { type Choice, chooseModelFiles } from "./choose.ts";
import { type RemoteModelFile, type Repository, readRepository } from "./repository.ts";

/** Files that are fetched at a time. */
const PARALLEL = 4;
/** Bytes of the disk that a download leaves free. */
const DISK_RESERVE = 500e6;

export interface PullProgress {
  /** Bytes that are here, of all files of the choice. */
  bytes: number;
  totalBytes: number;
  /** Bytes that came over the network in this call: what a rate is made of. */
  received: number;
  /** What is being fetched. */
  files: string[];
  /** Another process is at one of the files. */
  waiting: boolean;
}

export interface PullOptions extends Omit<Choice, "variant"> {
  cache?: string;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal;
}

/** What a pull would do. */
export interface PullPlan {
  commit: string;
  folder: string;
  files: (RemoteModelFile & { here: boolean })[];
  totalBytes: number;
  missingBytes: number;
}

/** What would be downloaded, without downloading it. @throws InputError as `pullModel` */
export async function planPull(name: ModelName, options: PullOptions = {}): Promise<PullPlan> {
  const cache = options.cache ?? hubCache();
  return planOf(name, options, cache, await readRepository(name, options.signal));
}

function planOf(name: ModelName, options: PullOptions, cache: string, repository: Repository): PullPlan {
  const { commit, files } = repository;
  const root = repositoryFolder(cache, name.repository);
  const chosen = chooseModelFiles(name.repository, files, { ...options, variant: name.variant }).map((file) => ({
    ...file,
    here: isHere(join(root, "blobs", file.etag), file.size),
  }));
  const bytes = (list: readonly RemoteModelFile[]) => list.reduce((sum, { size }) => sum + size, 0);
  return {
    commit,
    folder: join(root, "snapshots", commit),
    files: chosen,
    totalBytes: bytes(chosen),
    missingBytes: bytes(chosen.filter(({ here }) => !here)),
  };
}

const isHere = (blob: string, size: number): boolean => existsSync(blob) && statSync(blob).size === size;

/**
 * Sees to it that a model is here, and gives its folder: a snapshot of the Hugging Face cache. What is here is not fetched again; without network
 * the last known state of the revision is used.
 * @throws InputError in one line: no such model, no access, no network and nothing here, no space, damaged bytes
 */
export async function pullModel(name: ModelName, options: PullOptions = {}): Promise<string> {
  const cache = options.cache ?? hubCache();
  const root = repositoryFolder(cache, name.repository);
  const known = cachedCommit(root, name.revision);
  if (isOffline()) {
    if (known !== null) return join(root, "snapshots", known);
    throw new InputError(`${name.repository}: is not in ${cache}, and HF_HUB_OFFLINE forbids to ask for it`);
  }
  let repository: Repository;
  try {
    repository = await readRepository(name, options.signal);
  } catch (error) {
    if (error instanceof Unreachable && known !== null) return join(root, "snapshots", known);
    throw error;
  }
  const plan = planOf(name, options, cache, repository);
  checkSpace(name, cache, plan.missingBytes);
  await fetchAll(name, plan, root, options);
  for (const file of plan.files) link(plan.folder, root, file);
  const ref = join(root, "refs", ...name.revision.split("/"));
  if (!/^[0-9a-f]{40}$/.test(name.revision)) {
    mkdirSync(dirname(ref), { recursive: true });
    writeFileSync(`${ref}.tmp`, plan.commit);
    renameSync(`${ref}.tmp`, ref);
  }
  return plan.folder;
}

function checkSpace(name: ModelName, cache: string, bytes: number): void {
  mkdirSync(cache, { recursive: true });
  const { bavail, bsize } = statfsSync(cache);
  const free = bavail * bsize;
  if (bytes > 0 && bytes + DISK_RESERVE > free)
    throw new InputError(
      `${name.repository}: needs ${bytesText(bytes)} more, and ${cache} has ${bytesText(free)} free; make room (shoal models), or set HF_HOME to a larger disk`,
    );
}

async function fetchAll(name: ModelName, plan: PullPlan, root: string, options: PullOptions): Promise<void> {
  // Several files of a repository may be the same blob.
  const missing = [...new Map(plan.files.filter(({ here }) => !here).map((file) => [file.etag, file])).values()];
  const counted = new Map<string, number>();
  const here = plan.totalBytes - missing.reduce((sum, { size }) => sum + size, 0);
  const atStart = new Map<string, number>();
  const active = new Set<string>();
  let waiting = 0;
  const tell = () => {
    const bytes = [...counted.values()].reduce((sum, n) => sum + n, 0);
    const before = [...atStart.values()].reduce((sum, n) => sum + n, 0);
    options.onProgress?.({
      bytes: here + bytes,
      totalBytes: plan.totalBytes,
      received: Math.max(0, bytes - before),
      files: [...active],
      waiting: waiting > 0,
    });
  };
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const queue = [...missing];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const { path, etag, size } = file;
      const blob = join(root, "blobs", etag);
      const lock = join(dirname(root), ".locks", root.split(/[\\/]/).at(-1)!, `${etag}.shoal`);
      let told = false;
      await withBlobLock(
        lock,
        async () => {
          if (told) waiting--;
          active.add(path);
          if (!isHere(blob, size))
            await transfer({
              where: name.repository,
              url: `${hubUrl()}/${name.repository}/resolve/${plan.commit}/${path.split("/").map(encodeURIComponent).join("/")}`,
              file,
              path: blob,
              signal,
              onBytes: (bytes) => {
                if (!atStart.has(etag)) atStart.set(etag, bytes);
                counted.set(etag, bytes);
                tell();
              },
            });
          active.delete(path);
          counted.set(etag, size);
          tell();
        },
        {
          signal,
          onWait: () => {
            told = true;
            waiting++;
            tell();
          },
        },
      );
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(PARALLEL, missing.length) }, worker));
  } catch (error) {
    // The others stop where they are; what they have is kept.
    stop.abort();
    throw error;
  }
}

/** The snapshot's link to its blob, or a copy where the system makes no links. */
function link(folder: string, root: string, { path, etag }: RemoteModelFile): void {
  const at = join(folder, path);
  const blob = join(root, "blobs", etag);
  mkdirSync(dirname(at), { recursive: true });
  if (existsSync(at)) return;
  if (lstatSync(at, { throwIfNoEntry: false })) rmSync(at);
  try {
    symlinkSync(relative(dirname(at), blob), at);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "EPERM" && code !== "ENOSYS" && code !== "ENOTSUP") throw error;
    copyFileSync(blob, `${at}.tmp`);
    renameSync(`${at}.tmp`, at);
  }
}
