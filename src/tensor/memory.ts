/** Aligned memory and memory-mapped files, from the addon where there is one. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { addon } from "./native/addon.ts";

/** `bytes` of zeroed memory: 64-byte aligned and on huge pages where the addon is built, else an ordinary ArrayBuffer. */
export function allocate(bytes: number): ArrayBuffer {
  return addon ? addon.allocate(bytes) : new ArrayBuffer(bytes);
}

/**
 * The contents of a file. With the addon the file is memory-mapped, privately: pages are read when touched, and writing to them
 * leaves the file as it is. Without it the file is read whole.
 */
export function mapFile(path: string): ArrayBuffer {
  if (addon) return addon.mapFile(path);
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const read = readSync(file, bytes, at, Math.min(size - at, 1 << 30), at);
      if (read === 0) throw new Error(`${path}: the file ended at byte ${at} of ${size} while being read`);
      at += read;
    }
    return bytes.buffer;
  } finally {
    closeSync(file);
  }
}

/**
 * Gives the physical memory of a view of a mapped file back to the system; the view stays valid, and is read from the file again when touched.
 * Only for views that nobody wrote to. Does nothing to other memory than `mapFile`'s.
 */
export function releaseMapped(view: Uint8Array<ArrayBuffer>): void {
  addon?.releaseMapped(view.buffer, view.byteOffset, view.byteOffset + view.byteLength);
}
