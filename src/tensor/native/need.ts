/** Sizes are checked before memory is touched. */
import type { Storage } from "../dtype.ts";

/** Refuses a buffer that is too short for what the kernel will touch. */
export function need(kernel: string, buffers: Record<string, [data: Storage, length: number]>): void {
  for (const name in buffers) {
    const [data, length] = buffers[name];
    if (data.length < length) throw new RangeError(`${kernel}: ${name} holds ${data.length} elements, needs ${length}`);
  }
}
