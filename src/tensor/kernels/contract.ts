/**
 * How a kernel is described: once, as data. A contract names each buffer (dtypes, shape in letters, whether it is written) and each number.
 * From it follow the type of the call, defaults, checks (`check.ts`), where things lie in the block that the addon reads (`layout.ts`) and the C++
 * struct of that block (`header.ts`).
 *
 * A shape is sizes joined by "×", each an expression of the call's numbers: "T×D", "E×2F×D", "H(N+P)", "⌈R/128⌉". ":" gives the distance between
 * two of a size, in elements: "T:ldx×D" is T rows, ldx apart, of D numbers; without it elements are contiguous. Names of a group's numbers are
 * looked up in the group first; from outside they are "group.name".
 */
import type { Bf16, Dtype, F32, I8, StorageOf } from "../dtype.ts";

/** An expression, or one for each value of a flag or choice. */
export type ByCase = string | { readonly by: string; readonly cases: Readonly<Record<string, string>> };

type Dtypes = Dtype | `${Dtype}|${Dtype}` | `${Dtype}|${Dtype}|${Dtype}`;
type Split<D extends string> = D extends `${infer First}|${infer Rest}` ? First | Split<Rest> : D;

/**
 * What the whole numbers in an i32 buffer may be. A letter that is no number of the call is given its value by the buffer, for the shapes of others;
 * one that is a number of the call bounds it.
 */
export type Contents =
  /** Each is `from` (default 0) or more, and below an expression. */
  | { readonly below: string; readonly from?: number }
  /** Each is 0 or more, and below the letter, which is `absent` where there is no such buffer. */
  | { readonly counts: string; readonly absent?: string }
  /** Rising from 0; the last is the letter. */
  | { readonly offsets: string }
  /** Rows of qStart, qLen, kStart, kLen with kLen ≥ qLen; queries and keys end at or before the letters. */
  | { readonly segments: readonly [queries: string, keys: string] }
  /** Counts of rows, at least `min`, from those on that another buffer names; all end at or before the letter. */
  | { readonly rowsFrom: string; readonly reach: string; readonly min: number };

export interface BufferOptions {
  /** null is taken where the caller wants none. */
  readonly nullable?: true;
  /** null is taken unless that buffer has that dtype. */
  readonly onlyWith?: { readonly buffer: string; readonly dtype: Dtype };
  /** null is taken where the shape has no elements. */
  readonly nullIfEmpty?: true;
  readonly contents?: Contents;
}

export interface BufferField<D extends string = string, O extends BufferOptions = BufferOptions> {
  readonly kind: "buffer";
  readonly dtypes: D;
  readonly shape: ByCase;
  readonly written: boolean;
  readonly options: O;
}

export interface SizeOptions {
  readonly default?: ByCase;
  /** 0 unless given. */
  readonly min?: string;
  readonly max?: string;
  readonly multipleOf?: string;
}

export interface SizeField<O extends SizeOptions = SizeOptions> {
  readonly kind: "size";
  readonly options: O;
}
export interface RealField<O extends { readonly default?: number } = { readonly default?: number }> {
  readonly kind: "real";
  readonly options: O;
}
export interface FlagField<O extends { readonly default?: boolean } = { readonly default?: boolean }> {
  readonly kind: "flag";
  readonly options: O;
}
/** One of a few names, which the addon sees as their places in the list. */
export interface ChoiceField<V extends string = string> {
  readonly kind: "choice";
  readonly values: readonly V[];
}
/** One of a few numbers. */
export interface LiteralField<V extends number = number> {
  readonly kind: "literal";
  readonly values: readonly V[];
}
/** A matrix as it is held, [rows,columns] (see HeldMatrix). */
export interface MatrixField<O extends { readonly nullIfEmpty?: true } = { readonly nullIfEmpty?: true }> {
  readonly kind: "matrix";
  readonly rows: string;
  readonly columns: string;
  readonly options: O;
}
export interface GroupField<F extends Fields = Fields, O extends GroupOptions = GroupOptions> {
  readonly kind: "group";
  readonly fields: F;
  readonly options: O;
}
/** Where a group is left out (null, or undefined where it is optional), its sizes are these or 0, and its buffers null. */
interface GroupOptions {
  readonly optional?: true;
  readonly absent?: Readonly<Record<string, number>>;
}

export type Field =
  | BufferField
  | SizeField
  | RealField
  | FlagField
  | ChoiceField
  | LiteralField
  | MatrixField
  | GroupField;
export interface Fields {
  readonly [name: string]: Field;
}

export interface KernelOptions {
  /** The kernel returns a number. */
  readonly returns?: "number";
  /** Only instruction sets with a tile unit have it. */
  readonly tiles?: true;
  /** The largest sizes that the native twin takes; the reference takes over beyond. */
  readonly most?: Readonly<Record<string, number>>;
  /** The native twin's sizes are multiples of this; the reference takes others. */
  readonly wholeTiles?: { readonly of: readonly string[]; readonly size: number };
}

export interface Contract<F extends Fields = Fields, O extends KernelOptions = KernelOptions> {
  readonly fields: F;
  readonly options: O;
}

export function kernel<const F extends Fields, const O extends KernelOptions = object>(
  fields: F,
  options?: O,
): Contract<F, O> {
  return { fields, options: options ?? ({} as O) };
}

export function input<const D extends Dtypes, const O extends BufferOptions = object>(
  dtypes: D,
  shape: ByCase,
  options?: O,
): BufferField<D, O> {
  return { kind: "buffer", dtypes, shape, written: false, options: options ?? ({} as O) };
}
export function output<const D extends Dtypes, const O extends BufferOptions = object>(
  dtypes: D,
  shape: ByCase,
  options?: O,
): BufferField<D, O> {
  return { kind: "buffer", dtypes, shape, written: true, options: options ?? ({} as O) };
}
/** A size or distance: a whole number from 0 up. */
export function size<const O extends SizeOptions = object>(options?: O): SizeField<O> {
  return { kind: "size", options: options ?? ({} as O) };
}
export function real<const O extends { default?: number } = object>(options?: O): RealField<O> {
  return { kind: "real", options: options ?? ({} as O) };
}
export function flag<const O extends { default?: boolean } = object>(options?: O): FlagField<O> {
  return { kind: "flag", options: options ?? ({} as O) };
}
export function choice<const V extends string>(...values: V[]): ChoiceField<V> {
  return { kind: "choice", values };
}
export function literal<const V extends number>(...values: V[]): LiteralField<V> {
  return { kind: "literal", values };
}
export function matrix<const O extends { nullIfEmpty?: true } = object>(
  rows: string,
  columns: string,
  options?: O,
): MatrixField<O> {
  return { kind: "matrix", rows, columns, options: options ?? ({} as O) };
}
export function group<const F extends Fields, const O extends GroupOptions = object>(
  fields: F,
  options?: O,
): GroupField<F, O> {
  return { kind: "group", fields, options: options ?? ({} as O) };
}

/**
 * Weights [N,K] in 8 or 4 bits, N a multiple of 16 and K of 32: 32 numbers of a row share a bf16 scale; value = code · scale.
 * Codes are −127 … 127 stored 128 too large, or −8 … 7 stored 8 too large. They stand as a processor meets them: panels of 16 rows, of each panel one block of
 * 32 columns after the other, of each block 8 quads of 4 columns, of each quad the 4 bytes of each row. With 4 bits a block has 4 quads, whose bytes hold
 * column k < 16 in their low half and column k + 16 in their high half. Scales stand alike: [N/16][K/32][16].
 */
export interface QuantisedBlocks {
  codes: I8;
  scales: Bf16;
  bits: 8 | 4;
}

/** A matrix as it is held: its numbers, or (`data` is then empty) its blocks. f32 meets operands as they are; bf16 those rounded to bf16. */
export interface HeldMatrix {
  readonly data: F32 | Bf16;
  readonly quantised?: QuantisedBlocks;
}

type OrNull<O> = O extends { nullable: true } | { onlyWith: object } | { nullIfEmpty: true } ? null : never;

/** What a field's value is to the caller. */
type ValueOf<F> =
  F extends BufferField<infer D, infer O>
    ? StorageOf[Split<D> & Dtype] | OrNull<O>
    : F extends ChoiceField<infer V>
      ? V
      : F extends LiteralField<infer V>
        ? V
        : F extends FlagField
          ? boolean
          : F extends MatrixField<infer O>
            ? HeldMatrix | OrNull<O>
            : F extends GroupField<infer G, infer O>
              ? Call<G> | (O extends { optional: true } ? never : null)
              : number;

type MayBeLeftOut<F> = F extends { options: { default: unknown } | { optional: true } } ? true : false;
type Required<F> = { [K in keyof F as MayBeLeftOut<F[K]> extends true ? never : K]: ValueOf<F[K]> };
type Optional<F> = { [K in keyof F as MayBeLeftOut<F[K]> extends true ? K : never]?: ValueOf<F[K]> };

/** What a caller gives: every field, but for those with defaults. */
export type Call<F extends Fields> = Required<F> & Optional<F>;
/** What the reference is given: every field. */
export type Complete<F extends Fields> = { [K in keyof F]: ValueOf<F[K]> };

/** A function of calls `P`: to a number where the contract says so. */
type FunctionOf<P, O> = O extends { returns: "number" } ? (p: P) => number : (p: P) => void;
export type CompleteOf<C> = C extends Contract<infer F, KernelOptions> ? Complete<F> : never;
export type CallOf<C> = C extends Contract<infer F, KernelOptions> ? Call<F> : never;
/** The functions that callers of some kernels see. */
export type Functions<Cs> = {
  [K in keyof Cs]: Cs[K] extends Contract<infer F, infer O> ? FunctionOf<Call<F>, O> : never;
};
/** The definitions of some kernels: each is given checked and complete calls. */
export type Definitions<Cs> = {
  [K in keyof Cs]: Cs[K] extends Contract<infer F, infer O> ? FunctionOf<Complete<F>, O> : never;
};
