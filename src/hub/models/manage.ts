/** What is in the cache: checked against its hashes, and removed without touching what others share. */
import { createReadStream, existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { hashOf } from "../transfer.ts";
import { blobOf, type CachedModel, hubCache, listCachedModels, type ModelName } from "./cache.ts";

export interface Verdict {
  path: string;
  /** null: whole. */
  problem: string | null;
}

/** Reads every file of a model's snapshots and compares it with the hash in its blob's name. */
export async function* verifyModel(model: CachedModel, signal?: AbortSignal): AsyncGenerator<Verdict> {
  const done = new Set<string>();
  for (const { commit, files } of model.snapshots) {
    for (const { path, size } of files) {
      const full = join(model.folder, "snapshots", commit, path);
      if (!existsSync(full)) {
        yield { path, problem: "is missing; pull the model again" };
        continue;
      }
      const etag = blobOf(full);
      if (etag === null || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || done.has(etag)) continue;
      done.add(etag);
      const hash = hashOf({ etag, size });
      for await (const chunk of createReadStream(full)) {
        signal?.throwIfAborted();
        hash.update(chunk as Buffer);
      }
      // The shared store names blobs by another hash, which cannot be compared here.
      const own = statSync(join(model.folder, "blobs", etag), { throwIfNoEntry: false }) !== undefined;
      yield {
        path,
        problem: !own || hash.digest("hex") === etag ? null : "is damaged; remove the model and pull it again",
      };
    }
  }
}

/** The cached model of that name. @throws InputError if there is none */
export function findCachedModel(name: ModelName, cache: string = hubCache()): CachedModel {
  const models = listCachedModels(cache);
  const found = models.find(({ repository }) => repository === name.repository);
  if (found) return found;
  const known = models.map(({ repository }) => repository).join(", ");
  throw new InputError(
    `${name.repository}: is not in ${cache}${known ? ` (there are ${known})` : ", which holds no model"}`,
  );
}

/** Removes a model's folder with its locks. Blobs of the shared store are links in it, and stay. */
export function removeModel(model: CachedModel, cache: string = hubCache()): void {
  rmSync(model.folder, { recursive: true, force: true });
  const locks = join(cache, ".locks", model.folder.split(/[\\/]/).at(-1)!);
  if (existsSync(locks)) rmSync(locks, { recursive: true, force: true });
}
