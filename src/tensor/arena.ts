/**
 * Memory that is taken once and used again from step to step.
 *
 * Fresh pages from the operating system cost as much as the arithmetic that fills them, so the tensors of a step are cut from an
 * arena one after the other; `reset()` makes all of it free again without giving a page back.
 */
import { type Dtype, dtypeBytes, type StorageOf, viewOf } from "./dtype.ts";
import { allocate } from "./memory.ts";

const ALIGN = 64;

/** Where an arena stands; `release(mark)` frees what was taken since. */
export interface Mark {
  readonly chunk: number;
  readonly used: number;
}

export class Arena {
  private readonly chunks: ArrayBuffer[] = [];
  private chunk = 0;
  private used = 0;
  private readonly chunkBytes: number;

  /** chunkBytes: how much is taken from the system at a time; a tensor larger than that gets a chunk of its own. */
  constructor(chunkBytes = 64 << 20) {
    this.chunkBytes = chunkBytes;
  }

  /** A buffer of `length` elements, 64-byte aligned, NOT zeroed: it holds whatever the last step left there. */
  take<D extends Dtype>(dtype: D, length: number): StorageOf[D] {
    const bytes = Math.ceil((length * dtypeBytes[dtype]) / ALIGN) * ALIGN;
    while (this.chunk < this.chunks.length && this.used + bytes > this.chunks[this.chunk].byteLength) {
      this.chunk++;
      this.used = 0;
    }
    if (this.chunk === this.chunks.length) this.chunks.push(allocate(Math.max(bytes, this.chunkBytes)));
    const offset = this.used;
    this.used += bytes;
    return viewOf(dtype, this.chunks[this.chunk], offset, length);
  }

  mark(): Mark {
    return { chunk: this.chunk, used: this.used };
  }

  release(mark: Mark): void {
    this.chunk = mark.chunk;
    this.used = mark.used;
  }

  /** Everything taken so far is free again. Views handed out before must not be used any more. */
  reset(): void {
    this.chunk = 0;
    this.used = 0;
  }

  /** Bytes held from the system. */
  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  }
}
