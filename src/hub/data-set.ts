/**
 * Data sets of the Hugging Face hub, by name: the files of one split, downloaded once over HTTPS into a cache folder, and from then on read
 * from there without a network. HF_TOKEN opens gated and private sets; HF_ENDPOINT names another server with the hub's interface.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { InputError } from "../base/index.ts";
import {
  chooseFiles,
  type DatasetName,
  endpoint,
  HUB_LIMITS,
  type Listing,
  type RemoteFile,
  refuse,
  request,
} from "./listing.ts";

export { type DatasetName, HUB_LIMITS } from "./listing.ts";

export interface DownloadOptions {
  /** Where downloads are kept (default: SHOAL_CACHE, else ~/.cache/shoal/datasets). */
  downloads?: string;
  /** A split of more bytes is refused before anything is downloaded (default: HUB_LIMITS.bytes). */
  mostDownloadBytes?: number;
  onDownload?: (progress: { file: string; bytes: number; totalBytes: number }) => void;
  signal?: AbortSignal;
}

/**
 * The files of a split of a data set that the caller accepts by name, in order, downloaded where they are not here.
 * @throws InputError in one line: no such set, config or split, no access, no network, too large, a download that is damaged
 */
export async function datasetFiles(
  name: DatasetName,
  accepts: (name: string) => boolean,
  options: DownloadOptions = {},
): Promise<string[]> {
  const { dataset, config, split = "train", revision } = name;
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(dataset) || dataset.includes(".."))
    throw new InputError(`data set "${dataset}": a name is owner/name, of letters, digits, ".", "_" and "-"`);
  const root = options.downloads ?? process.env.SHOAL_CACHE ?? join(homedir(), ".cache", "shoal", "datasets");
  const words = [dataset.replace("/", "--"), revision ?? "default-revision", config ?? "default-config", split];
  const folder = join(root, words.map((word) => word.replace(/[^\w.-]/g, "_")).join("--"));
  const manifest = join(folder, "files.json");
  const listing: Listing = existsSync(manifest)
    ? JSON.parse(readFileSync(manifest, "utf8"))
    : await chooseFiles(name, split, accepts, options.signal);
  const total = listing.files.reduce((sum, { size }) => sum + size, 0);
  const most = options.mostDownloadBytes ?? HUB_LIMITS.bytes;
  if (total > most)
    throw new InputError(
      `data set "${dataset}": its split ${split} takes ${total} bytes, more than the limit of ${most}; raise mostDownloadBytes`,
    );
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${manifest}.tmp`, JSON.stringify(listing));
  renameSync(`${manifest}.tmp`, manifest);
  const paths: string[] = [];
  let before = 0;
  for (const [i, file] of listing.files.entries()) {
    const path = join(folder, `${String(i).padStart(5, "0")}-${basename(file.path).replace(/[^\w.-]/g, "_")}`);
    const done = before;
    const onBytes = (bytes: number) =>
      options.onDownload?.({ file: file.path, bytes: done + bytes, totalBytes: total });
    if (!existsSync(path) || statSync(path).size !== file.size)
      await download(dataset, listing.revision, file, path, onBytes, options.signal);
    before += file.size;
    paths.push(path);
  }
  return paths;
}

/** Downloads a file, going on where an earlier attempt stopped, and checks it. */
async function download(
  dataset: string,
  revision: string,
  file: RemoteFile,
  path: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const part = `${path}.part`;
  const encoded = file.path.split("/").map(encodeURIComponent).join("/");
  const url = `${endpoint()}/datasets/${dataset}/resolve/${encodeURIComponent(revision)}/${encoded}`;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchInto(dataset, url, file, part, onBytes, signal);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt === HUB_LIMITS.attempts || !(error instanceof Interrupted)) {
        if (error instanceof Interrupted)
          throw new InputError(
            `data set "${dataset}": the download of ${file.path} broke off ${attempt} times (${error.message}); it goes on from there next time`,
          );
        throw error;
      }
      await wait(Math.min(8000, 100 * 4 ** attempt), undefined, { signal });
    }
  }
  const why = await damage(file, part);
  if (why !== null) {
    rmSync(part);
    throw new InputError(`data set "${dataset}": ${file.path} arrived damaged (${why}); try again`);
  }
  renameSync(part, path);
}

/** A connection that ended too early: worth another attempt. */
class Interrupted extends Error {}

async function fetchInto(
  dataset: string,
  url: string,
  file: RemoteFile,
  part: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  let at = existsSync(part) ? statSync(part).size : 0;
  if (at === file.size && at > 0) return;
  if (at > file.size) at = 0;
  const response = await request(dataset, url, at > 0 ? { range: `bytes=${at}-` } : {}, signal);
  if (response.status >= 500 || response.status === 429) throw new Interrupted(`${response.status}`);
  if (!response.ok || !response.body) refuse(dataset, response.status);
  // A server that sends everything again is taken at its word.
  if (response.status !== 206) at = 0;
  const handle = await open(part, at > 0 ? "a" : "w");
  try {
    for await (const chunk of response.body) {
      at += chunk.length;
      if (at > file.size)
        throw new InputError(
          `data set "${dataset}": ${file.path} is longer than the ${file.size} bytes that it should have`,
        );
      await handle.write(chunk);
      onBytes(at);
    }
  } catch (error) {
    signal?.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC") throw new InputError(`${part}: the disk is full (${file.size - at} bytes are missing)`);
    if (error instanceof InputError) throw error;
    throw new Interrupted(message);
  } finally {
    await handle.close();
  }
  if (at < file.size) throw new Interrupted(`${at} of ${file.size} bytes`);
}

async function damage(file: RemoteFile, path: string): Promise<string | null> {
  if (file.sha256 === undefined) return null;
  const sha256 = createHash("sha256");
  for await (const chunk of createReadStream(path)) sha256.update(chunk);
  return sha256.digest("hex") === file.sha256 ? null : "its SHA-256 is not what the hub says";
}
