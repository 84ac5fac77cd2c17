import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { InputError, Random } from "../../base/index.ts";
import { GGUF_LIMITS, parseGguf } from "./container.ts";
import { dequantize, isReadable } from "./dequantize.ts";
import { openGguf } from "./gguf-file.ts";
import { type GgufToWrite, ggufBytes, type TensorToWrite } from "./testing/write-gguf.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-gguf-"));
afterAll(() => rmSync(dir, { recursive: true }));

const buffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;
const floats = (name: string, ...values: number[]): TensorToWrite => ({
  name,
  shape: [values.length],
  type: "F32",
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

/** What is wrong with a file: the error's one line. */
function complaint(bytes: Uint8Array): string {
  try {
    parseGguf(buffer(bytes), "x.gguf");
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    expect(message).toMatch(/^x\.gguf: [^\n]+$/);
    return message;
  }
  return "nothing";
}

const small: GgufToWrite = {
  metadata: { "general.architecture": ["text", "test"], "test.list": ["i32s", [1, 2]], "test.n": ["u32", 7] },
  tensors: [
    floats("weight.a", 1, 2, 3),
    { name: "b", shape: [2, 32], type: "Q4_0", bytes: new Uint8Array(36).fill(9) },
    floats("c", 4),
  ],
};

describe("a file", () => {
  it.each([2, 3])("of version %i gives its metadata, shapes outermost first, and bytes where they stand", (version) => {
    const path = join(dir, "small.gguf");
    writeFileSync(path, ggufBytes({ ...small, version }));
    const file = openGguf(path);
    expect(Object.fromEntries(file.metadata)).toEqual({
      "general.architecture": "test",
      "test.list": [1, 2],
      "test.n": 7,
    });
    expect(file.tensors.get("b")).toMatchObject({ shape: [2, 32], type: { name: "Q4_0" }, path });
    expect([...file.bytes(file.tensors.get("b")!)]).toEqual(Array(36).fill(9));
    expect(file.bytes(file.tensors.get("b")!, 18, 20).length).toBe(2);
    expect([...new Float32Array(file.bytes(file.tensors.get("c")!).slice().buffer)]).toEqual([4]);
  });

  it("may say another alignment, and hold no tensors at all", () => {
    const metadata: GgufToWrite["metadata"] = { "general.alignment": ["u32", 64] };
    const { tensors } = parseGguf(buffer(ggufBytes({ ...small, metadata, alignment: 64 })), "x.gguf");
    expect([...tensors.values()].every(({ begin }) => begin % 64 === 0)).toBe(true);
    expect(parseGguf(buffer(ggufBytes({})), "x.gguf").tensors.size).toBe(0);
  });
});

describe("shards", () => {
  const name = (i: number, count = 2) => join(dir, `big-0000${i}-of-0000${count}.gguf`);
  const part = (
    no: number,
    tensor: string,
    more: Partial<Record<"split.count" | "split.tensors.count", number>> = {},
  ) =>
    ggufBytes({
      metadata: {
        "split.no": ["u16", no],
        "split.count": ["u16", more["split.count"] ?? 2],
        "split.tensors.count": ["i32", more["split.tensors.count"] ?? 2],
        ...(no === 0 && { "general.name": ["text", "big"] }),
      },
      tensors: [floats(tensor, no)],
    });
  const write = (first: Uint8Array, second: Uint8Array) => {
    writeFileSync(name(1), first);
    writeFileSync(name(2), second);
  };

  it("are one file, whichever is named", () => {
    write(part(0, "a"), part(1, "b"));
    for (const i of [1, 2]) {
      const file = openGguf(name(i));
      expect(file.path).toBe(name(1));
      expect([...file.tensors.keys()]).toEqual(["a", "b"]);
      expect(file.metadata.get("general.name")).toBe("big");
      expect([...new Float32Array(file.bytes(file.tensors.get("b")!).slice().buffer)]).toEqual([1]);
    }
  });

  it.each([
    ["one missing", () => rmSync(name(2)), /big-00002-of-00002\.gguf: this shard is missing; there must be 2/],
    ["one twice", () => writeFileSync(name(2), part(0, "b")), /split\.no is 0, but its name says 2 of 2/],
    ["another count", () => writeFileSync(name(2), part(1, "b", { "split.count": 3 })), /split\.count is 3, but/],
    ["a tensor in two", () => writeFileSync(name(2), part(1, "a")), /tensor "a" is in big-00001-of-00002\.gguf too/],
    [
      "fewer tensors than they say",
      () => write(part(0, "a", { "split.tensors.count": 3 }), part(1, "b")),
      /split\.tensors\.count is 3, but the shards hold 2/,
    ],
  ])("%s: is refused in one line that names the file", (_, damage, message) => {
    write(part(0, "a"), part(1, "b"));
    damage();
    expect(() => openGguf(name(1))).toThrow(message);
  });

  it("under a name that does not say so are refused, and so are counts that no model has", () => {
    const renamed = join(dir, "renamed.gguf");
    writeFileSync(renamed, part(0, "a"));
    expect(() => openGguf(renamed)).toThrow(/renamed\.gguf: is one of 2 shards by its split\.count/);
    expect(() => openGguf(join(dir, "a-00003-of-00002.gguf"))).toThrow(/names shard 00003 of 00002/);
    expect(() => openGguf(join(dir, "a-00001-of-99999.gguf"))).toThrow(/at most 10000 are read/);
    expect(() => openGguf(join(dir, "none.gguf"))).toThrow(/none\.gguf: there is no such file/);
  });
});

describe("a header that lies", () => {
  const whole = ggufBytes(small);
  /** The small file with other bytes where `mark` stands. */
  const patched = (mark: string | number, skip: number, bytes: readonly number[]) => {
    const copy = Buffer.from(whole);
    copy.set(bytes, (typeof mark === "number" ? mark : copy.indexOf(mark) + mark.length) + skip);
    return copy;
  };
  const huge = [255, 255, 255, 255, 255, 255, 255, 127];
  it.each([
    ["nothing", new Uint8Array(0), /the word GGUF takes 4 bytes, but the file ends after 0/],
    ["no magic word", patched(0, 0, [0]), /does not begin with GGUF/],
    ["version 1", patched(4, 0, [1]), /version 1 is not supported \(known are 2 and 3\) at byte 4/],
    ["big endian", patched(4, 0, [0, 0, 0, 3]), /big endian/],
    ["endless tensors", patched(8, 0, huge), /number of tensors 9223372036854775807 is above the limit of/],
    ["more tensors than bytes", patched(8, 0, [255, 255, 1]), /tensors 131071 is more than the file's \d+ bytes hold/],
    ["endless keys", patched(16, 0, huge), /number of keys .* above the limit/],
    ["an endless key", patched(24, 0, huge), /length of key 0 .* above the limit of 65535 at byte 24/],
    ["a kind that is none", patched("general.architecture", 0, [13]), /"general\.architecture": unknown kind 13/],
    [
      "an endless text",
      patched("general.architecture", 4, huge),
      /length of "general\.architecture" .* above the limit/,
    ],
    ["a text beyond the file", patched("general.architecture", 4, [255, 255]), /more than the file's \d+ bytes hold/],
    ["no UTF-8", patched("general.architecture", 12, [0xff]), /"general\.architecture" is not UTF-8 at byte/],
    ["an endless list", patched("test.list", 8, huge), /items of "test\.list" .* above the limit of 8388608/],
    ["a list beyond the file", patched("test.list", 8, [255, 255]), /items of "test\.list" 65535 is more than/],
    ["items of no kind", patched("test.list", 4, [99]), /"test\.list": unknown kind 99 of items/],
    ["no dimensions", patched("weight.a", 0, [0]), /tensor "weight\.a" has 0 dimensions; there must be 1 to 4/],
    ["many dimensions", patched("weight.a", 0, [5]), /tensor "weight\.a" has 5 dimensions/],
    ["no numbers", patched("weight.a", 4, [0]), /tensor "weight\.a" has the bad shape \[0\]/],
    ["endless numbers", patched("weight.a", 4, huge), /its extent 9223372036854775807 is above/],
    ["a product beyond", patched("weight.a", 9, [1]), /tensor "weight\.a": bytes \d+ to \d+ are outside/],
    ["an unknown type", patched("weight.a", 12, [77]), /tensor "weight\.a".* is of type 77, which Shoal does not/],
    ["a retired type", patched("weight.a", 12, [4]), /is Q4_2, a type that was given up/],
    ["rows that are no blocks", patched("weight.a", 12, [2]), /Q4_0 with rows of 3, no whole number of/],
    ["a crooked offset", patched("weight.a", 16, [7]), /offset 7 is no multiple of the alignment 32/],
    ["an overlap", patched("weight.a", 16, [32]), /tensor ".*" overlaps tensor ".*"/],
    ["an offset beyond", patched("weight.a", 16, [0, 255]), /outside the file's \d+ \(truncated\?\)/],
    ["half a file", whole.subarray(0, whole.length - 40), /outside the file's \d+/],
  ] as const)("%s is refused", (_, bytes, message) => {
    expect(complaint(bytes)).toMatch(message);
  });

  it("a key or a name that occurs twice is refused, and an alignment that is none", () => {
    const twice = Buffer.from(ggufBytes({ metadata: { "test.a": ["u8", 1], "test.b": ["u8", 2] } }));
    twice.write("test.a", twice.indexOf("test.b"));
    expect(complaint(twice)).toMatch(/key "test\.a" occurs twice/);
    expect(complaint(ggufBytes({ tensors: [floats("a", 1), floats("a", 2)] }))).toMatch(
      /tensor "a": the name occurs twice/,
    );
    for (const alignment of [0, 3, 48, 2 ** 21])
      expect(complaint(ggufBytes({ metadata: { "general.alignment": ["u32", alignment] } }))).toMatch(
        /general\.alignment/,
      );
  });
});

it("lists in lists are read two deep and refused below", () => {
  const list = (depth: number): Buffer =>
    Buffer.concat([u32(9), u32(1), u32(0), depth > 1 ? list(depth - 1) : u32(0, 0, 0)]);
  const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
  const withList = (depth: number) => {
    const bytes = ggufBytes({ metadata: { a: ["u32", 0] } });
    const value = bytes.indexOf("a") + 1;
    return Buffer.concat([bytes.subarray(0, value), u32(9), list(depth), Buffer.alloc(64)]);
  };
  expect(parseGguf(buffer(withList(1)), "x.gguf").metadata.get("a")).toEqual([[]]);
  expect(complaint(withList(2))).toMatch(/"a": lists in lists deeper than 2/);
});

it("10,000 damaged files: each is read or refused in one line, within its bytes and soon", () => {
  const random = new Random(18);
  const tensors: TensorToWrite[] = [
    floats("token_embd.weight", 1, 2, 3, 4),
    { name: "blk.0.x", shape: [1, 256], type: "Q4_K", bytes: new Uint8Array(144).fill(77) },
    { name: "blk.0.y", shape: [2, 32], type: "IQ4_NL", bytes: new Uint8Array(36).fill(3) },
  ];
  const whole = ggufBytes({ ...small, metadata: { ...small.metadata, t: ["texts", ["a", "é", ""]] }, tensors });
  const interesting = [0, 1, 2, 3, 8, 9, 32, 127, 128, 255];
  const before = process.memoryUsage();
  let refused = 0;
  let longest = 0;
  for (let i = 0; i < 10_000; i++) {
    let bytes = Buffer.from(whole);
    for (let edits = 1 + random.below(4); edits > 0 && bytes.length > 0; edits--) {
      const at = random.below(bytes.length);
      const kind = random.below(5);
      if (kind === 0) bytes[at] ^= 1 << random.below(8);
      else if (kind === 1) bytes[at] = interesting[random.below(interesting.length)];
      else if (kind === 2) bytes = bytes.subarray(0, at);
      // A lie in a count: eight bytes of one value.
      else if (kind === 3)
        bytes.fill(interesting[random.below(interesting.length)], at, Math.min(bytes.length, at + 1 + random.below(8)));
      else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + random.below(9)))]);
    }
    const began = performance.now();
    const copy = buffer(bytes);
    try {
      for (const { begin, end, type, shape } of parseGguf(copy, "x.gguf").tensors.values()) {
        const numbers = shape.reduce((product, extent) => product * extent, 1);
        expect(end).toBeLessThanOrEqual(copy.byteLength);
        // What is asked for here is bounded by what the file holds.
        if (isReadable(type))
          dequantize(type, new Uint8Array(copy, begin, end - begin), new Float32Array(numbers), "x");
      }
    } catch (error) {
      refused++;
      if (!(error instanceof InputError) || !/^x\.gguf: [^\n]{1,600}$/.test(error.message)) throw error;
    }
    longest = Math.max(longest, performance.now() - began);
  }
  expect(refused).toBeGreaterThan(5_000);
  expect(longest).toBeLessThan(1_000);
  expect(process.memoryUsage().rss - before.rss).toBeLessThan(512 * 2 ** 20);
  expect(GGUF_LIMITS.listItems).toBeLessThanOrEqual(2 ** 23);
});
