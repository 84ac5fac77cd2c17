/** A decompressor of Node's, asked piece by piece. */
import type { InflateRaw, ZstdDecompress } from "node:zlib";

export class Unpacker {
  /** Whether the end of the compressed data was met. */
  ended = false;
  private readonly stream: InflateRaw | ZstdDecompress;
  private parts: Buffer[] = [];
  private fed = 0;
  private settle: ((error?: Error | null) => void) | null = null;

  constructor(stream: InflateRaw | ZstdDecompress) {
    this.stream = stream;
    stream.on("data", (part: Buffer) => this.parts.push(part));
    stream.on("end", () => {
      this.ended = true;
      this.settle?.();
    });
    stream.on("error", (error) => this.settle?.(error));
  }

  /** What a piece unpacks to, all at once, and how many of its bytes were not wanted because the data ended before them. */
  async unpack(piece: Buffer): Promise<{ parts: Buffer[]; unused: number }> {
    this.fed += piece.length;
    const parts = await this.after((done) => this.stream.write(piece, done));
    return { parts, unused: this.fed - this.stream.bytesWritten };
  }

  /** What is left when nothing more comes. */
  finish(): Promise<Buffer[]> {
    return this.after(() => this.stream.end());
  }

  close(): void {
    this.stream.destroy();
  }

  private async after(work: (done: (error?: Error | null) => void) => void): Promise<Buffer[]> {
    await new Promise<void>((resolve, reject) => {
      this.settle = (error) => (error ? reject(error) : resolve());
      work(this.settle);
    });
    this.settle = null;
    const { parts } = this;
    this.parts = [];
    return parts;
  }
}
