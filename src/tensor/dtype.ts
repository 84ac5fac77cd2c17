/**
 * Element types and the typed arrays that hold them.
 *
 * A buffer's dtype is told by its typed array's class, so a kernel never takes a dtype beside its data:
 * Float32Array f32 · Uint16Array bf16 · Uint8Array f8e4m3 · Int8Array i8 · Int32Array i32.
 */
export type Dtype = "f32" | "bf16" | "f8e4m3" | "i8" | "i32";

export type F32 = Float32Array<ArrayBuffer>;
export type Bf16 = Uint16Array<ArrayBuffer>;
export type F8 = Uint8Array<ArrayBuffer>;
export type I8 = Int8Array<ArrayBuffer>;
export type I32 = Int32Array<ArrayBuffer>;
export type Storage = F32 | Bf16 | F8 | I8 | I32;

/** Bytes that one element takes. */
export const dtypeBytes: Record<Dtype, number> = { f32: 4, bf16: 2, f8e4m3: 1, i8: 1, i32: 4 };

/** The typed array of each dtype. */
export const views = {
  f32: Float32Array,
  bf16: Uint16Array,
  f8e4m3: Uint8Array,
  i8: Int8Array,
  i32: Int32Array,
} as const;

export interface StorageOf {
  f32: F32;
  bf16: Bf16;
  f8e4m3: F8;
  i8: I8;
  i32: I32;
}

/** The dtype of a buffer. */
export function dtypeOf(data: Storage): Dtype {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Uint16Array) return "bf16";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Uint8Array) return "f8e4m3";
  return "i8";
}

/** A typed view of `length` elements of `dtype` over `buffer` from `byteOffset` (which must be a multiple of the element's size). */
export function viewOf<D extends Dtype>(
  dtype: D,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): StorageOf[D] {
  return new views[dtype](buffer, byteOffset, length) as StorageOf[D];
}

const scratchF32 = new Float32Array(1);
const scratchU32 = new Uint32Array(scratchF32.buffer);

/** f32 → bf16 bits, round to nearest even; NaN stays a quiet NaN. */
export function f32ToBf16(value: number): number {
  scratchF32[0] = value;
  const bits = scratchU32[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) | 0x40) & 0xffff;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** bf16 bits → f32 (exact). */
export function bf16ToF32(bits: number): number {
  scratchU32[0] = bits << 16;
  return scratchF32[0];
}

/** out[i] = value, rounded to what the buffer holds. */
export function put(out: F32 | Bf16, i: number, value: number): void {
  out[i] = out instanceof Uint16Array ? f32ToBf16(value) : value;
}

const f8Table = new Float32Array(256);
for (let code = 0; code < 256; code++) {
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
  f8Table[code] = (code & 0x7f) === 0x7f ? Number.NaN : code & 0x80 ? -magnitude : magnitude;
}

/** F8_E4M3 (the "fn" kind: no infinity, largest value 448, 0x7f and 0xff are NaN) → f32 (exact). */
export function f8ToF32(code: number): number {
  return f8Table[code];
}

/** f32 → F8_E4M3, round to nearest even, values past 448 saturate to 448; NaN stays NaN. */
export function f32ToF8(value: number): number {
  if (Number.isNaN(value)) return 0x7f;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 448) return sign | 0x7e;
  // Steps of 2^-9 below 2^-6 (subnormals), else of 1/8 of the power of two below the value.
  const exponent = Math.max(-6, Math.floor(Math.log2(magnitude)));
  const step = 2 ** (exponent - 3);
  const units = roundHalfEven(magnitude / step);
  const rounded = units * step;
  if (rounded >= 448) return sign | 0x7e;
  if (rounded < 2 ** -6) return sign | units;
  const e = rounded >= 2 ** (exponent + 1) ? exponent + 1 : exponent;
  return sign | ((e + 7) << 3) | Math.round((rounded / 2 ** e - 1) * 8);
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
