/**
 * The Hugging Face cache as `hf` and transformers keep it, so that what either has downloaded is found by both:
 *
 *     models--owner--name/refs/main                      a commit's hash
 *     models--owner--name/blobs/<etag>                   a file's bytes (SHA-256 of large files, git's hash of small ones)
 *     models--owner--name/snapshots/<commit>/<file>      a link to its blob
 *
 * Newer versions keep blobs of all repositories in one store, `blobs/<2 hex>/<hash>`, with the repository's own blob as a link to it. Links are
 * followed, and nothing of the shared store is ever removed.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { hubHome } from "../request.ts";

/** A model by name, as people write it: "owner/name", "owner/name@revision", and ":Q4_K_M" for one of several GGUF files. */
export interface ModelName {
  repository: string;
  revision: string;
  /** Which of a repository's GGUF files, by the kind of quantising in its name. */
  variant: string | null;
}

const NAME = /^(?:hf:\/\/)?([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?(?::([\w.-]+))?$/;

/** Whether a text can be a model's name on the hub. */
export const looksLikeModelName = (text: string): boolean => NAME.test(text);

/** @throws InputError for what is no name */
export function parseModelName(text: string): ModelName {
  const [, repository, revision = "main", variant = null] = NAME.exec(text) ?? [];
  if (repository === undefined || /\.\.|--/.test(`${repository} ${revision}`))
    throw new InputError(
      `"${text.slice(0, 100)}" is no name of a model: it is owner/name, with @revision or :variant behind it if needed`,
    );
  return { repository, revision, variant };
}

/** The cache's folder: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
export function hubCache(env: NodeJS.ProcessEnv = process.env): string {
  if (env.HF_HUB_CACHE) return env.HF_HUB_CACHE;
  if (env.HUGGINGFACE_HUB_CACHE) return env.HUGGINGFACE_HUB_CACHE;
  return join(hubHome(env), "hub");
}

export const repositoryFolder = (cache: string, repository: string): string =>
  join(cache, `models--${repository.replaceAll("/", "--")}`);

/** The commit that a revision stood for when it was last asked for; null where that is not known here. */
export function cachedCommit(folder: string, revision: string): string | null {
  if (/^[0-9a-f]{40}$/.test(revision)) return existsSync(join(folder, "snapshots", revision)) ? revision : null;
  const ref = join(folder, "refs", ...revision.split("/"));
  if (!existsSync(ref) || !statSync(ref).isFile()) return null;
  const commit = readFileSync(ref, "utf8").trim();
  return /^[0-9a-f]{40}$/.test(commit) && existsSync(join(folder, "snapshots", commit)) ? commit : null;
}

/**
 * The folder of a model: a path that is there as it stands, else the snapshot of a name that was pulled.
 * @throws InputError for a name that is not here yet, or text that is neither path nor name
 */
export function modelFolder(text: string, cache: string = hubCache()): string {
  if (existsSync(text) || !looksLikeModelName(text)) return text;
  const name = parseModelName(text);
  const folder = repositoryFolder(cache, name.repository);
  const commit = cachedCommit(folder, name.revision);
  if (commit === null)
    throw new InputError(
      `${text}: there is no such folder, and no model of that name in ${cache}; shoal pull ${text} fetches it`,
    );
  return join(folder, "snapshots", commit);
}

export interface CachedModel {
  repository: string;
  folder: string;
  snapshots: { commit: string; revisions: string[]; files: CachedFile[] }[];
  /** Bytes on the disk that only this repository takes: what removing it gives back. */
  bytes: number;
}

export interface CachedFile {
  path: string;
  size: number;
  /** A link without a file behind it: a download that did not end, or a blob that was removed. */
  missing: boolean;
}

/** Every model of the cache, by name. */
export function listCachedModels(cache: string = hubCache()): CachedModel[] {
  if (!existsSync(cache)) return [];
  return readdirSync(cache, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.startsWith("models--"))
    .map((entry) => readCachedModel(cache, entry.name))
    .filter((model) => model.snapshots.length > 0)
    .sort((a, b) => (a.repository < b.repository ? -1 : 1));
}

function readCachedModel(cache: string, name: string): CachedModel {
  const folder = join(cache, name);
  const revisions = new Map(
    filesBelow(join(folder, "refs")).map((ref) => [ref, readFileSync(join(folder, "refs", ref), "utf8").trim()]),
  );
  const snapshots = subfolders(join(folder, "snapshots")).map((commit) => ({
    commit,
    revisions: [...revisions].filter(([, of]) => of === commit).map(([ref]) => ref),
    files: filesBelow(join(folder, "snapshots", commit)).map((path) => describe(folder, commit, path)),
  }));
  const bytes = filesBelow(join(folder, "blobs"))
    .map((blob) => lstatSync(join(folder, "blobs", blob)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
  return { repository: name.slice("models--".length).replaceAll("--", "/"), folder, snapshots, bytes };
}

function describe(folder: string, commit: string, path: string): CachedFile {
  const full = join(folder, "snapshots", commit, path);
  return existsSync(full) ? { path, size: statSync(full).size, missing: false } : { path, size: 0, missing: true };
}

const subfolders = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
    : [];

/** Paths of all files and links below a folder, with forward slashes, sorted. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort();
}

/** The name of the blob behind a file of a snapshot: its hash, whichever store it lies in; null for a file that is no link. */
export function blobOf(path: string): string | null {
  return lstatSync(path).isSymbolicLink() ? realpathSync(path).split(/[\\/]/).at(-1)! : null;
}
