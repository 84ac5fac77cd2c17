import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/index.ts";
import {
  Arena,
  allocate,
  availableIsas,
  bf16ToF32,
  createKernels,
  f8ToF32,
  f32ToBf16,
  f32ToF8,
  ops,
  Tape,
  type Tensor,
} from "./index.ts";

describe("dtypes", () => {
  it("bf16: every pattern survives, and rounding goes to the nearest, ties to even", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = bf16ToF32(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(bf16ToF32(f32ToBf16(value)))).toBe(true);
      else expect(f32ToBf16(value)).toBe(bits);
    }
    expect(f32ToBf16(1 + 2 ** -8)).toBe(f32ToBf16(1));
    expect(bf16ToF32(f32ToBf16(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
  });

  it("F8_E4M3: rounds to the nearest code, saturates at 448", () => {
    const values = Array.from({ length: 127 }, (_, code) => f8ToF32(code));
    expect(values.at(-1)).toBe(448);
    fc.assert(
      fc.property(fc.double({ min: -500, max: 500, noNaN: true }), (x) => {
        const got = f8ToF32(f32ToF8(Math.fround(x)));
        const best = Math.min(...values.map((value) => Math.abs(value - Math.abs(Math.fround(x)))));
        expect(Math.abs(got - Math.fround(x))).toBe(best);
      }),
      { seed: 1, numRuns: 2000 },
    );
    for (let code = 0; code < 256; code++) if ((code & 0x7f) !== 0x7f) expect(f32ToF8(f8ToF32(code))).toBe(code);
  });
});

describe("Arena", () => {
  it("hands out the same memory again after a reset, aligned and apart", () => {
    const arena = new Arena(1 << 16);
    const first = [arena.take("f32", 10), arena.take("bf16", 3), arena.take("f32", 40_000), arena.take("i32", 5)];
    for (const view of first) expect(view.byteOffset % 64).toBe(0);
    const bytes = arena.bytes;
    arena.reset();
    const again = [arena.take("f32", 10), arena.take("bf16", 3), arena.take("f32", 40_000), arena.take("i32", 5)];
    again.forEach((view, i) => {
      expect(view.buffer).toBe(first[i].buffer);
      expect(view.byteOffset).toBe(first[i].byteOffset);
    });
    expect(arena.bytes).toBe(bytes);
  });

  it("releases what was taken since a mark", () => {
    const arena = new Arena(1 << 12);
    arena.take("f32", 100);
    const mark = arena.mark();
    const view = arena.take("f32", 5000);
    arena.release(mark);
    expect(arena.take("f32", 5000).buffer).toBe(view.buffer);
  });
});

describe("Random", () => {
  it("is the same for a seed, another for another seed or stream, and goes on from a saved state", () => {
    const draw = (random: Random) => Array.from({ length: 5 }, () => random.next());
    expect(draw(new Random(1))).toEqual(draw(new Random(1)));
    expect(draw(new Random(1))).not.toEqual(draw(new Random(2)));
    expect(draw(new Random(1, 1))).not.toEqual(draw(new Random(1, 2)));
    const random = new Random(3);
    random.normal();
    const saved = random.save();
    const next = draw(random);
    random.restore(saved);
    expect(draw(random)).toEqual(next);
  });

  it("is even and normal where it should be", () => {
    const random = new Random(0);
    const counts = new Array(10).fill(0);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < 20_000; i++) {
      counts[random.below(10)]++;
      const x = random.normal();
      sum += x;
      squares += x * x;
    }
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
    expect(Math.abs(sum / 20_000)).toBeLessThan(0.03);
    expect(Math.abs(squares / 20_000 - 1)).toBeLessThan(0.05);
  });
});

describe("Tape", () => {
  const tapeOf = (precision: "f32" | "bf16") =>
    new Tape({ kernels: createKernels(), arena: new Arena(1 << 20), precision, recording: false });
  const f32 = (length: number, seed: number) => {
    const random = new Random(seed);
    return Float32Array.from({ length }, () => bf16ToF32(f32ToBf16(random.normal())));
  };
  const weight = { data: f32(16 * 32, 1), shape: [16, 32], grad: null };

  it("has operands in bf16 where products round them to that", () => {
    const quantised = { codes: new Int8Array(512), scales: new Uint16Array(16), bits: 8 } as const;
    expect(tapeOf("bf16").operandOf(weight, 3, 32).data).toBeInstanceOf(Uint16Array);
    expect(tapeOf("f32").operandOf(weight, 3, 32).data).toBeInstanceOf(Float32Array);
    expect(tapeOf("bf16").operandOf({ ...weight, quantised }, 3, 32).data).toBeInstanceOf(Float32Array);
  });

  it("a gradient for products alone is in bf16, or in f32 where others have added to it", () => {
    const tape = tapeOf("bf16");
    const [product, shared] = [tape.tensor(2, 16), tape.tensor(2, 16)];
    expect(tape.operandGradToSet(product)).toMatchObject({ fresh: true });
    expect(tape.operandGradOf(product)).toBeInstanceOf(Uint16Array);
    expect(() => tape.gradOf(product)).toThrow(/only products read/);
    tape.gradOf(shared);
    expect(tape.operandGradToSet(shared)).toMatchObject({ fresh: false });
    expect(tape.operandGradOf(shared)).toBeInstanceOf(Float32Array);
  });

  it("a quantised weight reads an operand that was rounded for another weight's sake", () => {
    const tape = tapeOf("bf16");
    const quantised = { codes: new Int8Array(512), scales: new Uint16Array(16), bits: 8 as const };
    tape.kernels.quantise({ ...quantised, x: weight.data, N: 16, K: 32 });
    const wide: Tensor = { data: f32(3 * 32, 2), shape: [3, 32], grad: null };
    const rounded = tape.operandOf(weight, 3, 32);
    tape.kernels.convert({ out: rounded.data, x: wide.data, n: 3 * 32 });
    const held = { data: new Uint16Array(0), quantised, shape: [16, 32], grad: null };
    expect(ops.linear(tape, rounded, held).data).toEqual(ops.linear(tape, wide, held).data);
  });
});

describe("createKernels", () => {
  it("always has the reference, and refuses what is not there", () => {
    expect(availableIsas()[0]).toBe("reference");
    // An instruction set whose products come out wrong is left out without a word: what the processor has must be there.
    const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
    if (process.arch === "x64" && availableIsas().includes("portable")) {
      if (/\bavx2\b.*\bfma\b|\bfma\b.*\bavx2\b/.test(flags)) expect(availableIsas()).toContain("avx2");
      if (/avx512_bf16/.test(flags) && /avx512_vnni/.test(flags)) expect(availableIsas()).toContain("avx512");
    }
    for (const isa of availableIsas()) expect(createKernels({ isa }).isa).toBe(isa);
    expect(() => createKernels({ isa: "sse9" as never })).toThrow(
      /"sse9" is not available here; choose one of: reference/,
    );
  });

  it("allocates zeroed memory of any size", () => {
    for (const bytes of [0, 1, 100, 3 << 20]) {
      const buffer = allocate(bytes);
      expect(buffer.byteLength).toBe(bytes);
      expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
    }
  });
});
