import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { writeSafetensors } from "../../checkpoint/index.ts";
import { CorpusWriter, openCorpus } from "./corpus-file.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-corpus-file-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Documents of these lengths, from token `first` on; every other token counts. */
function encoded(lengths: number[], first: number) {
  const total = lengths.reduce((a, b) => a + b, 0);
  return {
    tokens: Uint16Array.from({ length: total }, (_, i) => first + i),
    mask: Uint8Array.from({ length: total }, (_, i) => i % 2),
    lengths: Int32Array.from(lengths),
    textBytes: total * 3,
  };
}

it.each([
  ["an odd number of tokens", [3, 4]],
  ["an even number", [4, 4]],
])("what was appended comes back, with %s", (name, lengths) => {
  const path = join(dir, `${name}.safetensors`);
  const writer = new CorpusWriter(path, false);
  writer.append(encoded(lengths, 10));
  writer.append(encoded([], 0));
  writer.append(encoded([2], 60_000));
  expect(existsSync(path)).toBe(false);
  writer.finish({ "not UTF-8": 2 });
  const corpus = openCorpus(path);
  const total = lengths[0] + lengths[1];
  expect([...corpus.tokens]).toEqual([...Array.from({ length: total }, (_, i) => 10 + i), 60_000, 60_001]);
  expect([...corpus.mask]).toEqual([...Array.from({ length: total }, (_, i) => i % 2), 0, 1]);
  expect([...corpus.starts]).toEqual([0, lengths[0], total, total + 2]);
  expect(corpus).toMatchObject({ skipped: 2, skippedBy: { "not UTF-8": 2 }, textBytes: (total + 2) * 3 });
  expect(readdirSync(dir).filter((file) => file.includes("tmp"))).toEqual([]);
});

it("more documents than room was made for, and none", () => {
  const path = join(dir, "many.safetensors");
  const writer = new CorpusWriter(path, true);
  for (let i = 0; i < 30; i++)
    writer.append({ ...encoded(Array(100).fill(1), 0), tokens: new Int32Array(100).fill(100_000) });
  writer.finish({});
  const corpus = openCorpus(path);
  expect(corpus.starts.length).toBe(3001);
  expect(corpus.tokens.at(-1)).toBe(100_000);
  const none = new CorpusWriter(join(dir, "none.safetensors"), false);
  none.finish({});
  expect(openCorpus(join(dir, "none.safetensors"))).toMatchObject({ skipped: 0, skippedBy: {}, textBytes: 0 });
});

it("files without checksums, as earlier versions wrote them under other names, are not trusted", () => {
  const path = join(dir, "earlier.safetensors");
  writeSafetensors(
    path,
    [
      { name: "starts", dtype: "I32", shape: [2], data: Int32Array.of(0, 3) },
      { name: "tokens", dtype: "U16", shape: [3], data: Uint16Array.of(7, 8, 9) },
      { name: "mask", dtype: "U8", shape: [3], data: Uint8Array.of(1, 1, 1) },
    ],
    { skipped: "4", textBytes: "12" },
  );
  expect(() => openCorpus(path)).toThrow(
    /earlier\.safetensors: is damaged \(its header .*; delete it, and it is made again$/,
  );
});

it.runIf(existsSync("/dev/full"))("a full disk is one line, and nothing is left", () => {
  const path = join(dir, "full.safetensors");
  symlinkSync("/dev/full", `${path}.tmp-${process.pid}`);
  const writer = new CorpusWriter(path, false);
  expect(() => writer.append(encoded([5], 0))).toThrow(
    /full\.safetensors: cannot be written after 0 tokens: the disk is full/,
  );
  writer.abort();
  expect(readdirSync(dir).filter((file) => file.startsWith("full"))).toEqual([]);
});
