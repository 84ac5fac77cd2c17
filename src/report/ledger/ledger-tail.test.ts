import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LEDGER_LIMITS, LedgerTail } from "./ledger-tail.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-tail-"));
  path = join(dir, "ledger.jsonl");
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A tail whose lines and rewinds are gathered in one list. */
function tailOf(file: string): { tail: LedgerTail; seen: string[] } {
  const seen: string[] = [];
  const tail = new LedgerTail(file, { onLine: (line) => seen.push(line), onRewound: () => seen.push("REWOUND") });
  return { tail, seen };
}

describe("reading a ledger that grows", () => {
  it("gives each line once, and an unfinished one when its end is there", () => {
    const { tail, seen } = tailOf(path);
    expect(tail.poll()).toBeNull();
    writeFileSync(path, "one\ntw");
    expect(tail.poll()).toBeGreaterThan(0);
    expect(seen).toEqual(["one"]);
    appendFileSync(path, "o\n");
    tail.poll();
    tail.poll();
    expect(seen).toEqual(["one", "two"]);
  });

  it("keeps a character whole that is written in two goes", () => {
    const { tail, seen } = tailOf(path);
    const bytes = Buffer.from("für\n");
    writeFileSync(path, bytes.subarray(0, 2));
    tail.poll();
    appendFileSync(path, bytes.subarray(2));
    tail.poll();
    expect(seen).toEqual(["für"]);
  });

  it("begins again when the file was cut", () => {
    const { tail, seen } = tailOf(path);
    writeFileSync(path, "one\ntwo\nthree\n");
    tail.poll();
    truncateSync(path, 4);
    tail.poll();
    expect(seen).toEqual(["one", "two", "three", "REWOUND", "one"]);
  });

  it("finds out that a file was cut though it has grown past the old place", () => {
    const { tail, seen } = tailOf(path);
    writeFileSync(path, "one\ntwo\n");
    tail.poll();
    truncateSync(path, 4);
    appendFileSync(path, "TWO\nthree\n");
    tail.poll();
    expect(seen.slice(2)).toEqual(["REWOUND", "one", "TWO", "three"]);
  });

  it("begins again when another file stands in its place, and when it is gone", () => {
    const { tail, seen } = tailOf(path);
    writeFileSync(path, "one\n");
    tail.poll();
    writeFileSync(join(dir, "other"), "one\nnew\n");
    renameSync(join(dir, "other"), path);
    tail.poll();
    rmSync(path);
    expect(tail.poll()).toBeNull();
    expect(seen).toEqual(["one", "REWOUND", "one", "new", "REWOUND"]);
  });

  it("drops a line that is longer than any record, and goes on behind it", () => {
    const { tail, seen } = tailOf(path);
    writeFileSync(path, Buffer.alloc(LEDGER_LIMITS.lineBytes + 2 ** 20, "x"));
    appendFileSync(path, "xx\nafter\n");
    tail.poll();
    expect(seen).toEqual(["after"]);
  });
});
