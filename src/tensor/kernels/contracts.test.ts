import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../base/index.ts";
import { dtypeOf, type Storage, views } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";
import { addon, checkLayouts } from "../native/addon.ts";
import { Operands, reference, twins } from "../testing/twins.ts";
import type { Contract, Field, Fields } from "./contract.ts";
import { contracts } from "./contracts.ts";
import { headers } from "./header.ts";
import { layoutOf } from "./layout.ts";

type Call = Record<string, unknown>;
type AnyKernel = (call: Call) => unknown;
const kernelOf = (kernels: Kernels, name: string) => Reflect.get(kernels, name) as AnyKernel;
const everywhere: [string, Kernels][] = [["reference", reference], ...twins];

/** Sizes that every kernel takes together, and more memory than they need. */
const SIZES: Record<string, number> = { groups: 1, topkGroups: 1, count: 1, batch: 0, step: 1 };
const room = 1 << 16;

function value(name: string, field: Field): unknown {
  switch (field.kind) {
    case "buffer":
      return new views[(field.dtypes.split("|") as (keyof typeof views)[])[0]](room);
    case "size":
      return SIZES[name] ?? 32;
    case "real":
      return 1;
    case "flag":
      return false;
    case "matrix":
      return { data: new Float32Array(room) };
    case "group":
      return call(field.fields);
    default:
      return field.values[0];
  }
}
const call = (fields: Fields): Call =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, value(name, field)]));

/** A call that the kernel takes: of a step, each token has a row of the cache. */
function good({ fields }: Contract): Call {
  const made = call(fields);
  if (made.rowCount instanceof Int32Array) made.rowCount.fill(1);
  return made;
}

/** Every field of a call with its place. */
function fieldsOf(fields: Fields, path: string[] = []): { path: string[]; field: Field }[] {
  return Object.entries(fields).flatMap(([name, field]) =>
    field.kind === "group" ? fieldsOf(field.fields, [...path, name]) : [{ path: [...path, name], field }],
  );
}

function replaced(made: Call, [first, ...rest]: string[], by: unknown): Call {
  return { ...made, [first]: rest.length === 0 ? by : replaced(made[first] as Call, rest, by) };
}

const buffersOf = (made: Call): Storage[] =>
  Object.values(made).flatMap((held) => {
    if (ArrayBuffer.isView(held)) return [held as Storage];
    return held && typeof held === "object" ? buffersOf(held as Call) : [];
  });

/** Values that no field of its kind takes. */
function bad(field: Field): unknown[] {
  switch (field.kind) {
    case "size":
      return [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 49, "3", null, 2n];
    case "real":
      return ["1", null];
    case "flag":
      return [1, "true", null];
    case "matrix":
      return [null, { data: [1, 2] }, { data: new Int8Array(room) }, { data: new Float32Array(3) }, 5];
    case "buffer": {
      const others = Object.values(views).map((view) => new view(4));
      const wrong = others.filter((data) => !field.dtypes.split("|").includes(dtypeOf(data)));
      return [
        [1, 2],
        "text",
        5,
        {},
        new Float64Array(4),
        new ArrayBuffer(4),
        new DataView(new ArrayBuffer(4)),
        ...wrong,
      ];
    }
    default:
      return [-1, 3, "none", null];
  }
}

/** What the call throws, or null. */
function thrown(attempt: () => unknown): Error | null {
  try {
    attempt();
    return null;
  } catch (error) {
    return error as Error;
  }
}

describe("the contracts", () => {
  it("are those that the headers in native/ were made from (else: npm run contract)", () => {
    const native = new URL("../../../native/", import.meta.url);
    for (const [path, text] of Object.entries(headers()))
      expect(readFileSync(new URL(path, native), "utf8")).toBe(text);
  });

  it("are told apart by their layouts, and an addon of others is refused by name", () => {
    const layouts = Object.fromEntries(
      Object.entries(contracts).map(([name, one]) => [name, layoutOf(name, one).hash]),
    );
    expect(new Set(Object.values(layouts)).size).toBe(Object.keys(contracts).length);
    expect(() => checkLayouts(layouts, "shoal.node")).not.toThrow();
    expect(() => checkLayouts({ ...layouts, rope: "0" }, "shoal.node")).toThrow(
      /another contract of the kernel "rope"/,
    );
    expect(() => checkLayouts({ ...layouts, later: "0" }, "shoal.node")).toThrow(
      /another contract of the kernel "later"/,
    );
    expect(() => checkLayouts(undefined, "shoal.node")).toThrow(/another contract of the kernel "matmul"/);
  });

  it("change their layout with every name, order, dtype and kind", () => {
    const [first, ...rest] = Object.entries(contracts.rmsNorm.fields);
    const hash = (fields: [string, Field][]) =>
      layoutOf("rmsNorm", { fields: Object.fromEntries(fields), options: {} }).hash;
    const changed = [
      hash([first, ...rest]),
      hash([...rest, first]),
      hash([["other", first[1]], ...rest]),
      hash(rest),
      hash([[first[0], { kind: "real", options: {} }], ...rest]),
    ];
    expect(new Set(changed).size).toBe(changed.length);
  });
});

/** Checks are the same for every instruction set: they are tried on the reference, and on the one that is used here. */
const tried = everywhere.filter(([isa], i) => i === 0 || isa === addon?.isas.at(-1));

describe.each(tried)("a call that breaks its contract on %s", (_isa, kernels) => {
  it.each(Object.entries(contracts))("%s is refused in one line before anything is written", (name, contract) => {
    const run = kernelOf(kernels, name);
    const made = good(contract);
    run(made);
    const before = buffersOf(made).map((data) => Buffer.from(data.slice().buffer));
    const taken = fieldsOf(contract.fields).flatMap(({ path, field }) => {
      const missing = field.kind === "buffer" && Object.keys(field.options).length === 0 ? [null, undefined] : [];
      const wrong = [...bad(field), ...missing].filter((value) => {
        const error = thrown(() => run(replaced(made, path, value)));
        return !((error instanceof InputError || error instanceof TypeError) && /^\w+: [^\n]+$/.test(error.message));
      });
      return wrong.map((value) => `${path.join(".")} = ${String(value)}`);
    });
    expect(taken).toEqual([]);
    const changed = buffersOf(made).filter((data, i) => Buffer.compare(Buffer.from(data.buffer), before[i]) !== 0);
    expect(changed).toEqual([]);
  });

  const f = (length: number) => new Float32Array(length);
  const matmul = { out: f(64), a: f(64), b: f(64), M: 8, N: 8, K: 8, precision: "f32" as const };
  const rope = { x: f(8), cos: f(8), sin: f(8), T: 2, H: 1, P: 4, ld: 4, headStride: 4, interleaved: true };
  const attention = {
    S: 1, H: 1, N: 2, P: 2, V: 2, scale: 1, precision: "f32", out: f(4), lse: f(2), q: f(8), kv: f(8), kRope: f(4),
  } as const; // biome-ignore format: one shape
  const latent = {
    out: f(4), qLatent: f(4), qRope: f(4), cache: new Int8Array(16), Nq: 1, H: 1, R: 4, P: 4, ldq: 4, qHeadStride: 4, scale: 1,
  }; // biome-ignore format: one shape
  const rows = (...values: number[]) => Int32Array.of(...values);

  it.each<[string, (kernels: Kernels) => void, RegExp]>([
    ["rows of an output overlap", (k) => k.matmul({ ...matmul, ldo: 7 }), /rows of out overlap/],
    ["a distance is negative", (k) => k.matmul({ ...matmul, ldo: -8 }), /ldo is -8, must be a whole number/],
    ["a distance reaches too far", (k) => k.matmul({ ...matmul, lda: 9 }), /a holds 64 elements, needs 71/],
    ["a batch reaches too far", (k) => k.matmul({ ...matmul, batch: { count: 2, a: 0, b: 1, out: 0 } }), /b holds 64 elements, needs 65/],
    ["a position is negative", (k) => k.rope({ ...rope, positions: rows(0, -1) }), /positions\[1\] is -1, must be at least 0/],
    ["a position has no angles", (k) => k.rope({ ...rope, positions: rows(0, 4) }), /cos holds 8 elements, needs 10/],
    ["P is odd", (k) => k.rope({ ...rope, P: 3, positions: rows(0, 0) }), /P is 3, must be a multiple of 2/],
    ["a segment begins below 0", (k) => k.attention({ ...attention, segments: rows(-1, 1, 0, 1) }), /segment 0 is 1 queries from -1/],
    ["a segment has a negative length", (k) => k.attention({ ...attention, segments: rows(0, -1, 0, 1) }), /segment 0 is -1 queries/],
    ["a segment has fewer keys than queries", (k) => k.attention({ ...attention, segments: rows(0, 2, 0, 1) }), /segment 0 is 2 queries from 0 on over 1 keys/],
    ["a segment ends behind the queries", (k) => k.attention({ ...attention, segments: rows(1, 2, 0, 2) }), /holds \d+ elements, needs/],
    ["offsets fall", (k) => k.groupedMatmul({ ...matmul, kind: "forward", E: 2, offsets: rows(0, 3, 2) }), /offsets falls from 3 to 2/],
    ["offsets begin above 0", (k) => k.groupedMatmul({ ...matmul, kind: "forward", E: 1, offsets: rows(1, 3) }), /offsets\[0\] is 1, must be 0/],
    ["offsets end behind the rows", (k) => k.groupedMatmul({ ...matmul, kind: "forward", E: 1, offsets: rows(0, 9) }), /out holds 64 elements, needs 72/],
    ["a row is not in the table", (k) => k.gatherRows({ out: f(8), x: f(8), rows: rows(2), J: 1, D: 4 }), /x holds 8 elements, needs 12/],
    ["a target is no id", (k) => k.crossEntropy({ logits: f(4), losses: f(1), targets: rows(4), T: 1, V: 4, gradient: null, gradScale: 1 }), /targets\[0\] is 4, must be at least -1 and below 4/],
    ["codes have no scales", (k) => k.latentAttention({ ...latent, rowStart: rows(0), rowCount: rows(1), cacheScales: null }), /cacheScales is missing/],
    ["a row of the cache is negative", (k) => k.latentAttention({ ...latent, rowStart: rows(-1), rowCount: rows(1), cacheScales: f(4) }), /entry 0 is 1 rows from row -1 on/],
    ["a cache is too short", (k) => k.latentAttention({ ...latent, rowStart: rows(2), rowCount: rows(1), cacheScales: f(4) }), /cache holds 16 elements, needs 24/],
    ["more experts are wanted than may be chosen", (k) => k.route({ scores: f(4), indices: rows(0, 0, 0), weights: f(3), logits: f(4), bias: f(4), T: 1, E: 4, K: 3, groups: 2, topkGroups: 1, scoring: "sigmoid", groupScore: "topTwo", normalize: true, scale: 1 }), /K is 3, must be at most 2/],
  ])("is refused where %s", (_what, attempt, message) => {
    expect(() => attempt(kernels)).toThrow(message);
  }); // biome-ignore format: one case to a line

  it("never writes behind its outputs, whatever sizes and distances it is given", () => {
    const number = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(-1, 1.5, 2 ** 40));
    const sizes = fc.record({ M: number, N: number, K: number, lda: number, ldb: number, ldo: number });
    fc.assert(
      fc.property(sizes, fc.boolean(), fc.boolean(), fc.nat(60), (given, aT, bT, length) => {
        const memory = new Operands(1).f32(200);
        const out = memory.subarray(70, 70 + length);
        const before = memory.slice();
        try {
          kernels.matmul({ out, a: f(60), b: f(60), ...given, aT, bT, precision: "bf16" });
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect(memory).toEqual(before);
        }
        expect(memory.subarray(0, 70)).toEqual(before.subarray(0, 70));
        expect(memory.subarray(70 + length)).toEqual(before.subarray(70 + length));
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
