/**
 * Holds a call against its contract: fills in defaults, and refuses what would read or write outside of a buffer. A refusal is one line that names the
 * kernel and what is wrong; nothing has been written then.
 *
 * A contract is made into two functions without loops, because a small model's kernels take no longer than looking their arguments up one by one would.
 */
import { type Dtype, type Storage, views } from "../dtype.ts";
import type { BufferField, Contract, HeldMatrix, MatrixField, SizeField } from "./contract.ts";
import { lettersOf, scanOf } from "./indices.ts";
import { type BufferSlot, type Layout, layoutOf, type NumberSlot } from "./layout.ts";
import { Refusals } from "./refusals.ts";
import { byCase, compiled, expressionSource, extentSource, type Numbers, overlapSource, type Places } from "./shape.ts";

/** Rows and columns of a block of quantised weights. */
const [PANEL, BLOCK] = [16, 32];

/** What a call says. */
export interface Checked {
  readonly numbers: Numbers;
  /** In the order of the layout's buffers. */
  readonly buffers: (Storage | null)[];
  /** Whether the call itself, and then each group, is there. */
  readonly present: boolean[];
}

/** p: the call, n: its numbers, b: its buffers, g: whether its groups are there. */
type Check = (p: object, n: Numbers, b: Checked["buffers"], g: boolean[]) => void;
type Recheck = (n: Numbers, b: Checked["buffers"], g: boolean[]) => void;

export class Checker {
  readonly layout: Layout;
  private readonly kernel: string;
  private readonly places = new Map<string, number>();
  /** Letters that buffers give their values. */
  private readonly free = new Set<string>();
  private readonly own: Checked;
  private readonly checkCall: Check;
  private readonly checkContents: Recheck;

  constructor(kernel: string, contract: Contract) {
    this.kernel = kernel;
    this.layout = layoutOf(kernel, contract);
    const { numbers, buffers } = this.layout;
    for (const { name, place } of numbers) this.places.set(name, place);
    for (const { field } of buffers) {
      const contents = field.kind === "buffer" ? field.options.contents : undefined;
      for (const letter of contents ? lettersOf(contents) : []) {
        if (this.places.has(letter)) continue;
        this.free.add(letter);
        this.places.set(letter, this.places.size);
      }
    }
    const refusals = new Refusals(kernel);
    const scans = buffers.map((slot) => this.scanOf(slot));
    const make = (parameters: string, body: string) =>
      new Function("r", "views", "scans", "partOf", `return (${parameters}) => {\n${body}\n};`)(
        refusals, views, scans, partOf,
      ); // biome-ignore format: what the source names
    this.checkCall = make("p, n, b, g", this.callSource()) as Check;
    this.checkContents = make("n, b, g", this.contentsSource()) as Recheck;
    this.own = this.room();
  }

  /** Room for what a call says. */
  room(): Checked {
    return {
      numbers: new Float64Array(this.places.size),
      buffers: this.layout.buffers.map(() => null),
      present: [true, ...this.layout.groups.map(() => false)],
    };
  }

  /** An expression of the call's numbers. */
  compile(text: string): (n: Numbers) => number {
    return compiled(expressionSource(text, this.placesFrom(0)));
  }

  /**
   * The call's numbers and buffers, in memory that the next check writes anew unless `into` is given.
   * @throws InputError for a size or an index that does not fit, TypeError for a missing buffer or one of another kind
   */
  check(call: object, into = this.own): Checked {
    this.checkCall(call, into.numbers, into.buffers, into.present);
    this.checkContents(into.numbers, into.buffers, into.present);
    return into;
  }

  /** `check` for a call that will run later: all but what hangs on the numbers that indices hold, which is left to `recheck`. */
  prepare(call: object): Checked {
    const into = this.room();
    this.checkCall(call, into.numbers, into.buffers, into.present);
    return into;
  }

  /** Checks what indices hold, of a call that was prepared; numbers may have been set since. */
  recheck({ numbers, buffers, present }: Checked): void {
    this.checkContents(numbers, buffers, present);
  }

  /** The call with every field given: what the reference is defined for. */
  complete(call: object, { numbers, buffers }: Checked): object {
    const full: Record<string, unknown> = { ...call };
    const groups = this.layout.groups.map(({ key, field }) => {
      const given = full[key];
      full[key] = given || field.options.optional ? { ...(given as object) } : null;
      return full[key] as Record<string, unknown> | null;
    });
    for (const slot of this.layout.numbers) {
      const into = slot.scope === 0 ? full : groups[slot.scope - 1];
      if (into && slot.field.kind !== "matrix") into[slot.key] = decoded(slot, numbers[slot.place]);
    }
    this.layout.buffers.forEach(({ key, field }, i) => {
      if (field.kind === "buffer" && field.options.onlyWith) full[key] = buffers[i];
    });
    return full;
  }

  /** Source that reads numbers and buffers, and checks all that does not hang on what buffers hold. */
  private callSource(): string {
    const { groups, numbers, buffers } = this.layout;
    const standard = ({ field }: NumberSlot) =>
      "options" in field && "default" in field.options && field.options.default !== undefined;
    return [
      ...groups.map(({ key }, i) => `const s${i + 1} = p.${key}; g[${i + 1}] = Boolean(s${i + 1});`),
      // Numbers that are given come before those that may be made of them.
      ...numbers.filter((slot) => !standard(slot)).map((slot) => this.numberSource(slot)),
      ...numbers.filter(standard).map((slot) => this.numberSource(slot)),
      ...numbers.flatMap((slot) => (slot.field.kind === "size" ? this.relationSources(slot, slot.field) : [])),
      ...buffers.map((slot, i) => this.bufferSource(slot, i)),
      ...buffers.map((slot, i) => (this.isDependent(slot) ? "" : this.lengthSource(slot, i))),
    ].join("\n");
  }

  /** Source that reads what buffers of indices hold, and checks what hangs on that. */
  private contentsSource(): string {
    const { buffers } = this.layout;
    const scanned = (slot: BufferSlot) => slot.field.kind === "buffer" && slot.field.options.contents !== undefined;
    const lines = buffers.map((slot, i) => {
      if (!scanned(slot)) return "";
      const length = this.isDependent(slot) ? this.lengthSource(slot, i) : "";
      return `${length}\n${within(slot, `scans[${i}](b[${i}], n, b);`)}`;
    });
    const rest = buffers.map((slot, i) => (this.isDependent(slot) && !scanned(slot) ? this.lengthSource(slot, i) : ""));
    return [...lines, ...rest].join("\n");
  }

  private numberSource({ scope, key, name, field, place }: NumberSlot): string {
    const value = scope === 0 ? `p.${key}` : `s${scope}.${key}`;
    const named = JSON.stringify(name);
    const read = () => {
      switch (field.kind) {
        case "size":
          return `r.size(${value}, ${named})`;
        case "real":
          return `r.real(${value}, ${named})`;
        case "flag":
          return `r.flag(${value}, ${named})`;
        case "matrix":
          return `r.bits(${value}, ${named})`;
        default:
          return `r.${field.kind}(${value}, ${named}, ${JSON.stringify(field.values)})`;
      }
    };
    let source = read();
    if ("options" in field && "default" in field.options && field.options.default !== undefined) {
      const standard =
        field.kind === "size" ? this.caseSource(field.options.default as string, scope) : Number(field.options.default);
      source = `${value} === undefined ? ${standard} : ${source}`;
    }
    if (scope > 0)
      source = `g[${scope}] ? ${source} : ${this.layout.groups[scope - 1].field.options.absent?.[key] ?? 0}`;
    return `n[${place}] = ${source};`;
  }

  /** Holds a size against others. */
  private relationSources(slot: NumberSlot, { options: { min, max, multipleOf } }: SizeField): string[] {
    const { place, name, scope } = slot;
    const own = `n[${place}]`;
    const rule = (text: string | undefined, wrong: (limit: string) => string, words: string) => {
      if (!text) return [];
      const limit = expressionSource(text, this.placesFrom(scope));
      return [within(slot, `if (${wrong(limit)}) r.relation(${JSON.stringify(name)}, ${own}, "${words}", ${limit});`)];
    };
    return [
      ...rule(min, (limit) => `${own} < ${limit}`, "at least"),
      ...rule(max, (limit) => `${own} > ${limit}`, "at most"),
      ...rule(multipleOf, (limit) => `${own} % ${limit} !== 0`, "a multiple of"),
    ];
  }

  private bufferSource({ scope, key, name, part, dtypes, field }: BufferSlot, i: number): string {
    const value = scope === 0 ? `p.${key} ?? null` : `g[${scope}] ? s${scope}.${key} ?? null : null`;
    const data = `b[${i}] = ${part === "whole" ? value : `partOf(${value}, "${part}")`};`;
    const others = dtypes.map((dtype) => `d${i}.constructor !== views.${dtype}`).join(" && ");
    const kind = `if (d${i} !== null && ${others}) r.kind(d${i}, ${JSON.stringify(name)}, ${JSON.stringify(dtypes)});`;
    const only = field.kind === "buffer" ? field.options.onlyWith : undefined;
    // The kernel goes by whether there are scales, so they are passed on only with codes.
    return [`const d${i} = ${data}`, kind, only ? `if (!(${this.isWith(only)})) b[${i}] = null;` : ""].join("\n");
  }

  /** Refuses a buffer that is too short, or missing. */
  private lengthSource(slot: BufferSlot, i: number): string {
    const { field, name, scope } = slot;
    const named = JSON.stringify(name);
    const places = this.placesFrom(scope);
    if (field.kind === "matrix") return within(slot, this.matrixSource(slot, field, i));
    const { nullable, nullIfEmpty, onlyWith } = field.options;
    const needed = this.extentOf(field, scope);
    const missing = nullable
      ? ""
      : `if (b[${i}] === null) ${nullIfEmpty ? `{ if (${needed} > 0) r.missing(${named}); }` : `r.missing(${named});`} else `;
    const overlap = field.written && typeof field.shape === "string" ? overlapSource(field.shape, places) : null;
    const lines = [
      overlap ? `if (${overlap}) r.overlap(${named});` : "",
      `${missing}if (${nullable ? `b[${i}] !== null && ` : ""}b[${i}].length < ${needed}) r.short(${named}, b[${i}].length, ${needed});`,
    ].join("\n");
    return within(slot, onlyWith ? `if (${this.isWith(onlyWith)}) {\n${lines}\n}` : lines);
  }

  /** Source that says whether another buffer has a dtype. */
  private isWith({ buffer, dtype }: { buffer: string; dtype: Dtype }): string {
    const other = this.layout.buffers.findIndex(({ name }) => name === buffer);
    return `b[${other}] instanceof views.${dtype}`;
  }

  private matrixSource(
    { name, key, part, scope }: BufferSlot,
    { rows, columns, options }: MatrixField,
    i: number,
  ): string {
    const places = this.placesFrom(scope);
    const bits = `n[${places(`${key}'s bits`)}]`;
    const [N, K] = [expressionSource(rows, places), expressionSource(columns, places)];
    if (part === "scales")
      return `if (${bits} && !(b[${i}]?.length >= ${N}*${K}/${BLOCK})) r.short(${JSON.stringify(name)}, b[${i}]?.length ?? 0, ${N}*${K}/${BLOCK});`;
    const missing = options.nullIfEmpty ? `if (${N}*${K} > 0) r.missing("${name}");` : `r.missing("${name}");`;
    return `if (b[${i}] === null) { ${missing} } else {
      const needed = ${bits} ? ${N}*${K}*${bits}/8 : ${N}*${K};
      if ((${bits} !== 0) !== b[${i}] instanceof Int8Array) r.neither("${name}");
      if (${bits} && (${N} % ${PANEL} || ${K} % ${BLOCK})) r.panels("${name}", ${N}, ${K});
      if (b[${i}].length < needed) r.short(${bits} ? "${name}'s codes" : "${name}", b[${i}].length, needed);
    }`;
  }

  private extentOf({ shape }: BufferField, scope: number): string {
    const places = this.placesFrom(scope);
    return byCase(
      shape,
      (text) => extentSource(text, places),
      places,
      (by) => this.valuesOf(by),
    );
  }

  private caseSource(spec: SizeField["options"]["default"] & {}, scope: number): string {
    const places = this.placesFrom(scope);
    return byCase(
      spec,
      (text) => expressionSource(text, places),
      places,
      (by) => this.valuesOf(by),
    );
  }

  /** Whether a buffer's extent hangs on what another buffer holds. */
  private isDependent({ field, scope }: BufferSlot): boolean {
    if (field.kind === "matrix") return false;
    const extent = this.extentOf(field, scope);
    return [...this.free].some((letter) => extent.includes(`n[${this.places.get(letter)}]`));
  }

  private scanOf({ field, name, scope }: BufferSlot) {
    if (field.kind !== "buffer" || !field.options.contents) return null;
    const places = this.placesFrom(scope);
    return scanOf({
      where: `${this.kernel}: ${name}`,
      extent: compiled(this.extentOf(field, scope)),
      contents: field.options.contents,
      free: this.free,
      places,
      bufferAt: (wanted) => this.layout.buffers.findIndex((other) => other.name === wanted),
    });
  }

  /** Finds names seen from a group (0: the call itself). */
  private placesFrom(scope: number): Places {
    const group = scope === 0 ? "" : `${this.layout.groups[scope - 1].key}.`;
    return (name) => {
      const place = this.places.get(`${group}${name}`) ?? this.places.get(name);
      if (place === undefined) throw new Error(`${this.kernel} has no number ${name}`);
      return place;
    };
  }

  /** The names of the values of a flag or choice, in order. */
  private valuesOf(name: string): readonly string[] {
    const field = this.layout.numbers.find((slot) => slot.name === name)?.field;
    return field?.kind === "choice" ? field.values : ["false", "true"];
  }
}

const checkers = new Map<string, Checker>();

/** The one checker of a kernel: made when it is first asked for, because a process uses few of all kernels. */
export function checkerOf(kernel: string, contract: Contract): Checker {
  let checker = checkers.get(kernel);
  if (!checker) {
    checker = new Checker(kernel, contract);
    checkers.set(kernel, checker);
  }
  return checker;
}

/** Source that runs only where a slot's group is there. */
function within({ scope }: { scope: number }, source: string): string {
  return scope === 0 ? source : `if (g[${scope}]) {\n${source}\n}`;
}

function partOf(matrix: HeldMatrix | null, part: "data" | "scales"): Storage | null {
  if (part === "data") return matrix?.quantised?.codes ?? matrix?.data ?? null;
  return matrix?.quantised?.scales ?? null;
}

function decoded({ field }: NumberSlot, value: number): unknown {
  if (field.kind === "flag") return value !== 0;
  return field.kind === "choice" ? field.values[value] : value;
}
