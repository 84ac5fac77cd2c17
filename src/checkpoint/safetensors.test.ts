import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { InputError, Random } from "../base/index.ts";
import { openSafetensors, parseHeader, writeSafetensors } from "./safetensors.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-safetensors-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** A file in memory: header as given, then `data` bytes. */
function bytes(header: unknown, data = 0, length?: bigint): ArrayBuffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const file = Buffer.alloc(8 + json.length + data);
  file.writeBigUInt64LE(length ?? BigInt(json.length));
  json.copy(file, 8);
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer;
}

const tensor = (begin: number, end: number, shape = [(end - begin) / 4], dtype = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

/** What is wrong with a file: the error's one line. */
function complaint(buffer: ArrayBuffer): string {
  try {
    parseHeader(buffer, "x.safetensors");
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    expect(message).toMatch(/^x\.safetensors: [^\n]+$/);
    return message;
  }
  return "nothing";
}

describe("a file", () => {
  it("comes back as it was written, on 8-byte borders, with its metadata", () => {
    const path = join(dir, "round.safetensors");
    const a = Float32Array.from([1, -2, 3.5]);
    const b = Uint16Array.from([7, 8, 9, 10]);
    writeSafetensors(
      path,
      [
        { name: "a é", dtype: "F32", shape: [3], data: a },
        { name: "__proto__", dtype: "BF16", shape: [2, 2], data: b },
        { name: "none", dtype: "I32", shape: [0, 5], data: new Int32Array(0) },
      ],
      { made: "here" },
    );
    const file = openSafetensors(path);
    expect([...file.tensors.keys()].sort()).toEqual(["__proto__", "a é", "none"]);
    expect(file.metadata).toEqual({ made: "here" });
    expect(new Float32Array(file.bytes("a é").slice().buffer)).toEqual(a);
    expect(new Uint16Array(file.bytes("__proto__").slice().buffer)).toEqual(b);
    expect(file.tensors.get("none")).toMatchObject({ shape: [0, 5], dtype: "I32" });
    expect(file.bytes("a é").byteOffset % 8).toBe(0);
    expect(() => file.bytes("b")).toThrow(/round\.safetensors: there is no tensor "b"/);
  });

  it("an empty one, a missing one and a folder are errors", () => {
    writeFileSync(join(dir, "empty.safetensors"), "");
    expect(() => openSafetensors(join(dir, "empty.safetensors"))).toThrow(InputError);
    expect(() => openSafetensors(join(dir, "missing.safetensors"))).toThrow(
      /missing\.safetensors: there is no such file/,
    );
    expect(() => openSafetensors(dir)).toThrow(InputError);
  });

  it("that cannot be written leaves what was there, and nothing beside it", () => {
    const path = join(dir, "kept.safetensors");
    writeSafetensors(path, [{ name: "a", dtype: "F32", shape: [1], data: Float32Array.of(1) }]);
    const before = readFileSync(path);
    const broken = { name: "b", dtype: "F32" as const, shape: [1], data: null as never };
    expect(() => writeSafetensors(path, [broken])).toThrow();
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(() => writeSafetensors(join(dir, "no", "x.safetensors"), [])).toThrow(
      /x\.safetensors: cannot be written \(\d+ bytes needed\): /,
    );
    expect(readdirSync(dir).filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  it.runIf(existsSync("/dev/full"))("says that the disk is full", () => {
    // Everything written to /dev/full fails as on a full disk; a link stands for the temporary file.
    const path = join(dir, "full.safetensors");
    symlinkSync("/dev/full", `${path}.tmp-${process.pid}`);
    const data = { name: "a", dtype: "F32" as const, shape: [4], data: new Float32Array(4) };
    expect(() => writeSafetensors(path, [data])).toThrow(/cannot be written \(\d+ bytes needed\): the disk is full/);
    expect(existsSync(path)).toBe(false);
  });
});

describe("a header that lies", () => {
  const cases: [string, ArrayBuffer, RegExp][] = [
    ["no length", new ArrayBuffer(5), /only 5 bytes/],
    ["a length beyond the file", bytes({}, 0, 99n), /should end at byte 107, but the file ends at 10/],
    ["a huge length", bytes({}, 0, 2n ** 63n), /header length 9223372036854775808 .* above the limit/],
    ["no JSON", bytes("{oops"), /not valid JSON/],
    ["no UTF-8", new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe]).buffer, /not valid JSON in UTF-8/],
    ["a list", bytes([]), /must be a JSON object/],
    ["a tensor that is none", bytes({ a: 4 }), /tensor "a" must be an object/],
    ["an unknown dtype", bytes({ a: tensor(0, 4, [1], "F4") }, 4), /tensor "a": unknown dtype "F4"/],
    ["a dtype from the prototype", bytes({ a: tensor(0, 4, [1], "toString") }, 4), /unknown dtype/],
    ["a negative extent", bytes({ a: tensor(0, 4, [-1]) }, 4), /bad shape \[-1\]/],
    ["a fraction", bytes({ a: tensor(0, 4, [0.5]) }, 4), /bad shape/],
    ["a huge extent", bytes({ a: tensor(0, 4, [2 ** 60]) }, 4), /bad shape|takes/],
    ["extents whose product is huge", bytes({ a: tensor(0, 4, [2 ** 40, 2 ** 40]) }, 4), /takes .* bytes/],
    ["offsets backwards", bytes({ a: tensor(4, 0, [1]) }, 4), /bytes 4 to 0 are outside/],
    ["offsets beyond the file", bytes({ a: tensor(0, 8) }, 4), /bytes 0 to 8 are outside the file's 4 bytes/],
    [
      "a size that is not its shape's",
      bytes({ a: tensor(0, 8, [1]) }, 8),
      /F32 of shape \[1\] takes 4 bytes, but .* 8/,
    ],
    ["an overlap", bytes({ a: tensor(0, 8), b: tensor(4, 12) }, 12), /tensor "b" at byte \d+ overlaps/],
    ["a hole", bytes({ a: tensor(0, 4), b: tensor(8, 12) }, 12), /before tensor "b", belong to no tensor/],
    ["bytes at the end", bytes({ a: tensor(0, 4) }, 8), /after the last tensor, belong to no tensor/],
    [
      "a name twice",
      bytes(`{"a":${JSON.stringify(tensor(0, 4))},"a":${JSON.stringify(tensor(0, 4))}}`, 4),
      /name occurs twice/,
    ],
    ["metadata that is a list", bytes({ __metadata__: [] }), /__metadata__ must be an object/],
  ];
  it.each(cases)("%s is refused", (_, buffer, message) => {
    expect(complaint(buffer)).toMatch(message);
  });

  it("10,000 damaged files: each is read or refused in one line, never anything else", () => {
    const random = new Random(77);
    const whole = new Uint8Array(
      bytes({ __metadata__: { a: "b" }, w: tensor(0, 16, [2, 2]), v: tensor(16, 24, [2]) }, 24),
    );
    const pieces = ["-1", "1e99", "null", '"', "{", "}", "[", ",", "9".repeat(20), '"F32"', '"BF16"', "\\u0000", "é"];
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      let file = Buffer.from(whole);
      for (let edits = 1 + random.below(3); edits > 0; edits--) {
        const at = random.below(file.length);
        const kind = random.below(4);
        if (kind === 0) file[at] = random.below(256);
        else if (kind === 1) file = file.subarray(0, at);
        else if (kind === 2) {
          // Another value in the header, with the length put right, so that the damage gets past the first check.
          const piece = Buffer.from(pieces[random.below(pieces.length)]);
          const place = Math.min(8 + random.below(Math.max(1, file.length - 32)), file.length);
          file = Buffer.concat([
            file.subarray(0, place),
            piece,
            file.subarray(Math.min(place + random.below(6), file.length)),
          ]);
          if (file.length > 32) file.writeBigUInt64LE(BigInt(file.length - 8 - 24));
        } else file = Buffer.concat([file, Buffer.alloc(random.below(9))]);
        if (file.length === 0) break;
      }
      const copy = new Uint8Array(file).buffer;
      const message = complaint(copy);
      if (message !== "nothing") refused++;
    }
    expect(refused).toBeGreaterThan(8_000);
    expect(complaint(whole.buffer as ArrayBuffer)).toBe("nothing");
  });
});
