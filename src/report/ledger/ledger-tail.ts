/** Reading a ledger that grows, and that a resumed run cuts back to its last checkpoint. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export const LEDGER_LIMITS = { lineBytes: 16 * 2 ** 20 };

const CHUNK = 2 ** 20;
/** So many of the last bytes read are compared before more is read: a ledger that was cut and has grown past the old place is found out. */
const MARK = 1024;

export interface LedgerReader {
  onLine: (line: string) => void;
  /** What was read so far no longer holds: the file was cut, replaced or removed. Its lines come again from the first. */
  onRewound: () => void;
}

export class LedgerTail {
  readonly path: string;
  private readonly reader: LedgerReader;
  private offset = 0;
  private inode = 0;
  private mark = Buffer.alloc(0);
  /** The beginning of a line whose end is not written yet. */
  private rest = Buffer.alloc(0);
  private dropping = false;

  constructor(path: string, reader: LedgerReader) {
    this.path = path;
    this.reader = reader;
  }

  /**
   * Reads what is new; the whole file at the first call. An unfinished last line waits for its end.
   * @returns when the file was last written, milliseconds since 1970; null where there is none
   */
  poll(): number | null {
    const file = open(this.path);
    if (file === null) {
      this.rewind();
      return null;
    }
    try {
      const { size, ino, mtimeMs } = fstatSync(file);
      if (size < this.offset || (this.offset > 0 && (ino !== this.inode || !this.standsAsRead(file)))) this.rewind();
      this.inode = ino;
      const chunk = Buffer.allocUnsafe(CHUNK);
      for (let got = 1; got > 0; ) {
        got = readSync(file, chunk, 0, CHUNK, this.offset);
        this.take(chunk.subarray(0, got));
      }
      return mtimeMs;
    } finally {
      closeSync(file);
    }
  }

  private standsAsRead(file: number): boolean {
    const there = Buffer.alloc(this.mark.length);
    readSync(file, there, 0, there.length, this.offset - there.length);
    return there.equals(this.mark);
  }

  private rewind(): void {
    if (this.offset === 0) return;
    this.offset = 0;
    this.mark = Buffer.alloc(0);
    this.rest = Buffer.alloc(0);
    this.dropping = false;
    this.reader.onRewound();
  }

  private take(bytes: Buffer): void {
    this.offset += bytes.length;
    this.mark = Buffer.concat([this.mark, bytes.subarray(-MARK)]).subarray(-MARK);
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      const line = bytes.subarray(from, end);
      if (!this.dropping) this.reader.onLine(Buffer.concat([this.rest, line]).toString("utf8"));
      this.rest = Buffer.alloc(0);
      this.dropping = false;
      from = end + 1;
    }
    if (!this.dropping) this.rest = Buffer.concat([this.rest, bytes.subarray(from)]);
    if (this.rest.length > LEDGER_LIMITS.lineBytes) {
      this.rest = Buffer.alloc(0);
      this.dropping = true;
    }
  }
}

function open(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    return null;
  }
}
