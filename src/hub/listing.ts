/** What the Hugging Face hub holds: which of a data set's files belong to a split. */
import { InputError } from "../base/index.ts";
import { ask, hubUrl, refuse } from "./request.ts";
import type { RemoteFile } from "./transfer.ts";

export interface DatasetName {
  /** "owner/name" */
  dataset: string;
  /** Default: "default" if there is one, else the only one. */
  config?: string;
  /** Default: "train". */
  split?: string;
  /** A branch, tag or commit of the set's own files. Default: the hub's conversion to Parquet, or "main" where there is none. */
  revision?: string;
}

export const HUB_LIMITS = { bytes: 50e9, files: 10_000, pages: 100, pageBytes: 16 * 2 ** 20 };

const CONVERTED = "refs/convert/parquet";

export interface Listing {
  revision: string;
  files: RemoteFile[];
}

/** What errors begin with. */
export const named = (dataset: string): string => `data set "${dataset}"`;

/** The files of the split among those of the repository. */
export async function chooseFiles(
  { dataset, config, revision }: DatasetName,
  split: string,
  accepts: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<Listing> {
  for (const candidate of revision === undefined ? [CONVERTED, "main"] : [revision]) {
    const all = await listFiles(dataset, candidate, accepts, signal);
    if (all === null || all.length === 0) continue;
    const files =
      candidate === CONVERTED ? convertedFiles(dataset, all, config, split) : ownFiles(dataset, all, config, split);
    if (files.length > HUB_LIMITS.files)
      throw new InputError(`data set "${dataset}": more than ${HUB_LIMITS.files} files`);
    return { revision: candidate, files };
  }
  const where =
    revision === undefined
      ? "there is no such data set"
      : `there is no such data set, or no revision ${revision} of it`;
  throw new InputError(
    `data set "${dataset}": ${where} with readable files (.parquet, .jsonl, .json, .txt, .md); a private one needs HF_TOKEN`,
  );
}

/** Readable files of a revision; null if there is no such revision. */
async function listFiles(
  dataset: string,
  revision: string,
  accepts: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<RemoteFile[] | null> {
  const files: RemoteFile[] = [];
  let url: string | undefined =
    `${hubUrl()}/api/datasets/${dataset}/tree/${encodeURIComponent(revision)}?recursive=true`;
  for (let page = 0; url !== undefined; page++) {
    if (page === HUB_LIMITS.pages)
      throw new InputError(`data set "${dataset}": its list of files has more than ${HUB_LIMITS.pages} pages`);
    const response: Response = await ask(named(dataset), url, {}, signal);
    // The hub says 401 of sets that are not there, too.
    if (response.status === 404) return null;
    if (!response.ok) refuse(named(dataset), response);
    const text = await response.text();
    if (text.length > HUB_LIMITS.pageBytes)
      throw new InputError(`data set "${dataset}": its list of files is too long`);
    for (const entry of parseList(dataset, text)) {
      const { type, path, size, oid, lfs } = entry as Record<string, unknown>;
      if (type !== "file" || typeof path !== "string" || !Number.isSafeInteger(size) || !accepts(path)) continue;
      const hash = (lfs as { oid?: unknown } | undefined)?.oid ?? oid;
      const etag = typeof hash === "string" && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(hash) ? hash : null;
      files.push({ path, size: size as number, etag });
    }
    const next: string | undefined = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    url = next && new URL(next, url).href;
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function parseList(dataset: string, text: string): unknown[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list;
  } catch {}
  throw new InputError(
    `data set "${dataset}": ${new URL(hubUrl()).host} did not answer with a list of files; is HF_ENDPOINT a hub?`,
  );
}

/** Of the hub's conversion, whose paths are CONFIG/SPLIT/0000.parquet ("partial-SPLIT" for very large sets). */
function convertedFiles(dataset: string, all: RemoteFile[], config: string | undefined, split: string): RemoteFile[] {
  const configs = [...new Set(all.map(({ path }) => path.split("/")[0]))];
  const chosen = config ?? (configs.length === 1 ? configs[0] : configs.find((name) => name === "default"));
  if (chosen === undefined || !configs.includes(chosen))
    throw new InputError(
      `data set "${dataset}": ${config === undefined ? "name a config of" : `there is no config "${config}" among`} ${configs.slice(0, 20).join(", ")}`,
    );
  const own = all.filter(({ path }) => path.split("/")[0] === chosen);
  const splits = [...new Set(own.map(({ path }) => path.split("/")[1].replace(/^partial-/, "")))];
  const files = own.filter(({ path }) => path.split("/")[1].replace(/^partial-/, "") === split);
  if (files.length === 0)
    throw new InputError(`data set "${dataset}": there is no split "${split}" among ${splits.slice(0, 20).join(", ")}`);
  return files;
}

const SPLITS = ["train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval"];

/** Of a repository's own files: those of one format whose path names config and split; where no path names a split, all are "train". */
function ownFiles(dataset: string, all: RemoteFile[], config: string | undefined, split: string): RemoteFile[] {
  const words = ({ path }: RemoteFile) => path.split(/[/._-]/);
  const formats = [".parquet", ".jsonl", ".jsonlines", ".ndjson", ".json", ".txt", ".md"];
  // A README is a page about the data, and so are the settings of its loader.
  const data = all.filter(
    ({ path }) => !/(^|\/)((readme|license)[^/]*|dataset_infos?\.json|[^/]*config\.json)$/i.test(path),
  );
  const format = formats.find((ending) => data.some(({ path }) => path.toLowerCase().includes(ending)));
  const own = data.filter(
    (file) =>
      format !== undefined &&
      file.path.toLowerCase().includes(format) &&
      (config === undefined || words(file).includes(config) || file.path.startsWith(`${config}/`)),
  );
  if (own.length === 0)
    throw new InputError(
      `data set "${dataset}": no file of it ${config === undefined ? "can be read" : `belongs to a config "${config}"`}`,
    );
  const ofSplit = own.filter((file) => words(file).includes(split));
  if (ofSplit.length > 0) return ofSplit;
  if (split === "train" && !own.some((file) => words(file).some((word) => SPLITS.includes(word)))) return own;
  throw new InputError(
    `data set "${dataset}": no file names a split "${split}" (${own
      .slice(0, 5)
      .map(({ path }) => path)
      .join(", ")}…)`,
  );
}
