/** Bytes of a stream by count: what formats with lengths in them are read with. */

/** A file whose content is not what its name says, from here on. Readers skip and count it, or refuse it. */
export class BadFile extends Error {}

/** Damage of a compressed file, at a byte of it. */
export const damaged = (why: string): BadFile => new BadFile(`damaged compression (${why})`);

export class ByteReader {
  /** Bytes taken so far. */
  at = 0;
  private chunk: Buffer = Buffer.alloc(0);
  private readonly chunks: AsyncIterator<Buffer>;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.chunks = chunks[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `max`, as they come; null at the end. */
  async some(max: number): Promise<Buffer | null> {
    while (this.chunk.length === 0) {
      const { value, done } = await this.chunks.next();
      if (done) return null;
      this.chunk = value;
    }
    const part = this.chunk.subarray(0, max);
    this.chunk = this.chunk.subarray(part.length);
    this.at += part.length;
    return part;
  }

  /** `count` bytes, fewer only at the end. */
  async upTo(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const part = await this.some(left);
      if (part === null) break;
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** @throws BadFile if there are fewer */
  async exactly(count: number): Promise<Buffer> {
    const bytes = await this.upTo(count);
    if (bytes.length < count) throw damaged(`cut off at byte ${this.at}`);
    return bytes;
  }

  /** Takes bytes and forgets them. @throws BadFile if there are fewer */
  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const part = await this.some(left);
      if (part === null) throw damaged(`cut off at byte ${this.at}`);
      left -= part.length;
    }
  }

  /** Gives the last bytes that were taken back. */
  unread(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.at -= bytes.length;
    this.chunk = this.chunk.length === 0 ? bytes : Buffer.concat([bytes, this.chunk]);
  }

  /** Ends the stream below. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }
}
