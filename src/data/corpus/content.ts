/** What files hold, by their bytes: names, sizes and times say nothing of it. */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { InputError } from "../../base/index.ts";
import { formatOf, packingOf } from "../documents/files.ts";

export interface ContentOptions {
  /** Told of the bytes read. */
  onRead?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** Files that this process has read already: a run names the same source in several stages. */
const known = new Map<string, string>();

/** How a file is read, by its ending, and the SHA-256 of its bytes. @throws InputError if it cannot be read */
export async function contentOf(file: string, { onRead, signal }: ContentOptions = {}): Promise<string[]> {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  const key = [dev, ino, size, mtimeNs, ctimeNs, file].join(" ");
  const digest = known.get(key) ?? (await digestOf(file, { onRead, signal }));
  known.set(key, digest);
  return [formatOf(file), packingOf(file) ?? "plain", digest];
}

async function digestOf(file: string, { onRead, signal }: ContentOptions): Promise<string> {
  const sha256 = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20, signal })) {
      sha256.update(chunk as Buffer);
      onRead?.((chunk as Buffer).length);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new InputError(`${file}: cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
  return sha256.digest("hex");
}
