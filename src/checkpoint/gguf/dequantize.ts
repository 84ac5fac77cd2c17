/**
 * ggml's blocks as f32, exactly: each product and sum is rounded to f32 as gguf-py and ggml do it, so results are theirs bit for bit.
 * d is a block's scale in f16, q a stored code. The layouts are those of ggml's ggml-quants.
 */
import { InputError } from "../../base/index.ts";
import { f16ToF32 } from "../f16.ts";
import type { BlockType } from "./block-types.ts";

/** A block's bytes begin at `at`; its numbers go to `out` from `to` on. */
type Decoder = (block: Blocks, at: number, out: Float32Array, to: number) => void;

interface Blocks {
  bytes: Uint8Array;
  view: DataView;
}

const f32 = Math.fround;
const half = ({ view }: Blocks, at: number) => f16ToF32(view.getUint16(at, true));
const signed = (byte: number) => (byte << 24) >> 24;

/** The values that a code of IQ4 stands for. */
const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/** E2M1, doubled. */
const FP4_VALUES = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** 32 codes of 4 bits: number i in the low half of byte i, number i + 16 in its high half. */
function nibbles(block: Blocks, at: number, visit: (i: number, code: number) => void): void {
  for (let i = 0; i < 16; i++) {
    const byte = block.bytes[at + i];
    visit(i, byte & 15);
    visit(i + 16, byte >> 4);
  }
}

/** Eight scales and minima of 6 bits each in 12 bytes, as Q4_K and Q5_K pack them. */
function scaleAndMin({ bytes }: Blocks, at: number, i: number): [scale: number, min: number] {
  if (i < 4) return [bytes[at + i] & 63, bytes[at + 4 + i] & 63];
  const low = bytes[at + 4 + i];
  return [(low & 15) | ((bytes[at + i - 4] >> 6) << 4), (low >> 4) | ((bytes[at + i] >> 6) << 4)];
}

/** The same number of bits above 4 for a code: bit i of a 32-bit word. */
const fifth = (word: number, i: number) => ((word >>> i) & 1) << 4;

/** Q4_K and Q5_K: 8 runs of 32 numbers, each scale · code − minimum; of Q5_K 32 bytes of fifth bits stand before the codes. */
function superBlock(fiveBits: boolean): Decoder {
  return (block, at, out, to) => {
    const d = half(block, at);
    const dMin = half(block, at + 2);
    const high = at + 16;
    const low = fiveBits ? high + 32 : high;
    for (let run = 0; run < 8; run++) {
      const [scale, min] = scaleAndMin(block, at + 4, run);
      const [factor, least] = [f32(d * scale), f32(dMin * min)];
      const from = low + (run >> 1) * 32;
      for (let i = 0; i < 32; i++) {
        const nibble = (block.bytes[from + i] >> (4 * (run & 1))) & 15;
        const code = fiveBits ? nibble | (((block.bytes[high + i] >> run) & 1) << 4) : nibble;
        out[to + run * 32 + i] = f32(factor * code) - least;
      }
    }
  };
}

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["F32", ({ view }, at, out, to) => (out[to] = view.getFloat32(at, true))],
  ["F16", (block, at, out, to) => (out[to] = half(block, at))],
  [
    "Q4_0",
    (block, at, out, to) => {
      const d = half(block, at);
      nibbles(block, at + 2, (i, code) => (out[to + i] = d * (code - 8)));
    },
  ],
  [
    "Q4_1",
    (block, at, out, to) => {
      const [d, min] = [half(block, at), half(block, at + 2)];
      nibbles(block, at + 4, (i, code) => (out[to + i] = f32(d * code) + min));
    },
  ],
  [
    "Q5_0",
    (block, at, out, to) => {
      const d = half(block, at);
      const word = block.view.getUint32(at + 2, true);
      nibbles(block, at + 6, (i, code) => (out[to + i] = d * ((code | fifth(word, i)) - 16)));
    },
  ],
  [
    "Q5_1",
    (block, at, out, to) => {
      const [d, min] = [half(block, at), half(block, at + 2)];
      const word = block.view.getUint32(at + 4, true);
      nibbles(block, at + 8, (i, code) => (out[to + i] = f32(d * (code | fifth(word, i))) + min));
    },
  ],
  [
    "Q8_0",
    (block, at, out, to) => {
      const d = half(block, at);
      for (let i = 0; i < 32; i++) out[to + i] = d * signed(block.bytes[at + 2 + i]);
    },
  ],
  [
    // 16 scales with minima in 4 bits each, then codes of 2 bits: four runs of 32 numbers in the same 32 bytes.
    "Q2_K",
    (block, at, out, to) => {
      const [d, dMin] = [half(block, at + 80), half(block, at + 82)];
      for (let run = 0; run < 16; run++) {
        const scale = block.bytes[at + run];
        const [factor, least] = [f32(d * (scale & 15)), f32(dMin * (scale >> 4))];
        const from = at + 16 + (run >> 3) * 32 + (run & 1) * 16;
        for (let i = 0; i < 16; i++) {
          const code = (block.bytes[from + i] >> (2 * ((run >> 1) & 3))) & 3;
          out[to + run * 16 + i] = f32(factor * code) - least;
        }
      }
    },
  ],
  [
    // As Q2_K with a third bit (clear: the code is 4 less), and 16 signed scales of 6 bits in 12 bytes.
    "Q3_K",
    (block, at, out, to) => {
      const d = half(block, at + 108);
      const { bytes } = block;
      for (let run = 0; run < 16; run++) {
        const low = (bytes[at + 96 + (run & 7)] >> (run < 8 ? 0 : 4)) & 15;
        const high = (bytes[at + 104 + (run & 3)] >> (2 * (run >> 2))) & 3;
        const factor = f32(d * ((low | (high << 4)) - 32));
        const byte = (run & 1) * 16;
        for (let i = 0; i < 16; i++) {
          const code = (bytes[at + 32 + (run >> 3) * 32 + byte + i] >> (2 * ((run >> 1) & 3))) & 3;
          const third = (bytes[at + byte + i] >> (run >> 1)) & 1;
          out[to + run * 16 + i] = factor * (code - (third ? 0 : 4));
        }
      }
    },
  ],
  ["Q4_K", superBlock(false)],
  ["Q5_K", superBlock(true)],
  [
    // Codes of 4 + 2 bits, 16 signed scales of 8 bits.
    "Q6_K",
    (block, at, out, to) => {
      const d = half(block, at + 208);
      const { bytes } = block;
      for (let run = 0; run < 16; run++) {
        const factor = f32(d * signed(bytes[at + 192 + run]));
        // The position in its half of 128 numbers, and in the 32 that a byte of high bits serves.
        const [part, inHalf] = [run >> 3, (run & 7) * 16];
        const low = at + part * 64 + (inHalf & 63);
        const high = at + 128 + part * 32 + (inHalf & 31);
        for (let i = 0; i < 16; i++) {
          const code =
            ((bytes[low + i] >> (inHalf < 64 ? 0 : 4)) & 15) | (((bytes[high + i] >> (2 * (inHalf >> 5))) & 3) << 4);
          out[to + run * 16 + i] = factor * (code - 32);
        }
      }
    },
  ],
  [
    // A scale in f32; sums of 16 codes, which only products use, follow the codes.
    "Q8_K",
    (block, at, out, to) => {
      const d = block.view.getFloat32(at, true);
      for (let i = 0; i < 256; i++) out[to + i] = d * signed(block.bytes[at + 4 + i]);
    },
  ],
  [
    "IQ4_NL",
    (block, at, out, to) => {
      const d = half(block, at);
      nibbles(block, at + 2, (i, code) => (out[to + i] = d * IQ4_VALUES[code]));
    },
  ],
  [
    "IQ4_XS",
    (block, at, out, to) => {
      const d = half(block, at);
      const high = block.view.getUint16(at + 2, true);
      for (let run = 0; run < 8; run++) {
        const low = (block.bytes[at + 4 + (run >> 1)] >> (4 * (run & 1))) & 15;
        const factor = f32(d * ((low | (((high >> (2 * run)) & 3) << 4)) - 32));
        nibbles(block, at + 8 + run * 16, (i, code) => (out[to + run * 32 + i] = factor * IQ4_VALUES[code]));
      }
    },
  ],
  ["BF16", ({ view }, at, out, to) => (out[to] = fromBits(view.getUint16(at, true) << 16))],
  [
    // The scale is half of E8M0's power of two, since the values are doubled.
    "MXFP4",
    (block, at, out, to) => {
      const exponent = block.bytes[at];
      const d = fromBits(exponent < 2 ? 0x00200000 << exponent : (exponent - 1) << 23);
      nibbles(block, at + 1, (i, code) => (out[to + i] = d * FP4_VALUES[code]));
    },
  ],
]);

const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);
function fromBits(bits: number): number {
  word[0] = bits;
  return number[0];
}

/** Whether Shoal reads numbers of this type. */
export const isReadable = ({ name }: BlockType): boolean => DECODERS.has(name);

/** The names of all types that Shoal reads. */
export const READABLE: readonly string[] = [...DECODERS.keys()];

/**
 * Numbers of whole blocks.
 * @param bytes the blocks, of out.length numbers
 * @throws InputError for a type that Shoal does not read
 */
export function dequantize(type: BlockType, bytes: Uint8Array, out: Float32Array, what: string): void {
  const decode = DECODERS.get(type.name);
  if (!decode)
    throw new InputError(`${what} is ${type.name}, which Shoal does not read; it reads ${READABLE.join(", ")}`);
  const blocks = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  const count = out.length / type.numbers;
  for (let block = 0; block < count; block++) decode(blocks, block * type.bytes, out, block * type.numbers);
}
