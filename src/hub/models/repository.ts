/** What a model's repository on the hub holds at a revision: its commit, and each file with its size and hash. */
import { InputError } from "../../base/index.ts";
import { HUB_LIMITS } from "../listing.ts";
import { ask, hubUrl, refuse } from "../request.ts";
import type { RemoteFile } from "../transfer.ts";
import type { ModelName } from "./cache.ts";

/** A file whose hash is known: the blob's name in the cache. */
export interface RemoteModelFile extends RemoteFile {
  etag: string;
}

export interface Repository {
  commit: string;
  files: RemoteModelFile[];
}

/** Longest answer with a list of files that is read, in bytes. */
const MAX_LIST_BYTES = 64 * 2 ** 20;

/** Asks the hub. @throws InputError in one line: no such model or revision, no access, no network, an answer that is none */
export async function readRepository(name: ModelName, signal?: AbortSignal): Promise<Repository> {
  const where = `${name.repository}${name.revision === "main" ? "" : `@${name.revision}`}`;
  const url = `${hubUrl()}/api/models/${name.repository}/revision/${encodeURIComponent(name.revision)}?blobs=true`;
  const response = await ask(where, url, {}, signal);
  if (response.status !== 200) refuse(where, response);
  const text = await response.text();
  if (text.length > MAX_LIST_BYTES) throw new InputError(`${where}: the hub's list of its files is too long`);
  const { sha, siblings } = parse(where, text);
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings))
    throw new InputError(`${where}: ${new URL(hubUrl()).host} did not answer as the hub does (no commit, no files)`);
  if (siblings.length > HUB_LIMITS.files) throw new InputError(`${where}: has more than ${HUB_LIMITS.files} files`);
  return { commit: sha, files: siblings.map((entry) => fileOf(where, entry)) };
}

function parse(where: string, text: string): { sha?: unknown; siblings?: unknown } {
  try {
    return JSON.parse(text) as { sha?: unknown; siblings?: unknown };
  } catch {
    throw new InputError(`${where}: ${new URL(hubUrl()).host} did not answer with JSON; is HF_ENDPOINT a hub?`);
  }
}

function fileOf(where: string, entry: unknown): RemoteModelFile {
  const { rfilename, size, blobId, lfs } = (entry ?? {}) as Record<string, unknown>;
  const large = lfs as { sha256?: unknown; oid?: unknown; size?: unknown } | undefined;
  const path = rfilename;
  if (typeof path !== "string" || !isSafePath(path))
    throw new InputError(`${where}: a file of the repository has a name that leads out of its folder`);
  const hash = large?.sha256 ?? large?.oid ?? blobId;
  const bytes = large?.size ?? size;
  const good = typeof hash === "string" && (large ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash);
  if (!good || typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new InputError(`${where}: the hub says neither size nor hash of ${path.slice(0, 100)}`);
  return { path, size: bytes, etag: hash };
}

/** A relative path whose parts are plain names. */
const isSafePath = (path: string): boolean =>
  path.length < 1000 &&
  !path.includes("\\") &&
  !path.includes("\0") &&
  path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
