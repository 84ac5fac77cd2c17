/**
 * Data sets of the Hugging Face hub, by name: the files of one split, downloaded once over HTTPS into a cache folder, and from then on read
 * from there without a network. HF_TOKEN opens gated and private sets; HF_ENDPOINT names another server with the hub's interface.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { InputError } from "../base/index.ts";
import { chooseFiles, type DatasetName, HUB_LIMITS, type Listing, named } from "./listing.ts";
import { hubUrl } from "./request.ts";
import { transfer } from "./transfer.ts";

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
    if (!existsSync(path) || statSync(path).size !== file.size) {
      const encoded = file.path.split("/").map(encodeURIComponent).join("/");
      const url = `${hubUrl()}/datasets/${dataset}/resolve/${encodeURIComponent(listing.revision)}/${encoded}`;
      await transfer({ where: named(dataset), url, file, path, onBytes, signal: options.signal });
    }
    before += file.size;
    paths.push(path);
  }
  return paths;
}
