/** LZ4 as Parquet has it: raw blocks, with or without Hadoop's lengths before them. */

/**
 * One block (LZ4 block format), which has to give exactly `length` bytes.
 * @throws Error if it gives more or fewer, or refers to what is not there
 */
export function unpackLz4Block(input: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length);
  let at = 0;
  let end = 0;
  const longer = (count: number): number => {
    let sum = count;
    if (count < 15) return sum;
    for (;;) {
      const byte = input[at++];
      if (byte === undefined) throw new Error("LZ4 block is cut off");
      sum += byte;
      if (byte < 255) return sum;
    }
  };
  while (at < input.length) {
    const token = input[at++];
    const literals = longer(token >> 4);
    if (at + literals > input.length || end + literals > length) throw new Error("LZ4 block is damaged");
    output.set(input.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === input.length) break;
    const offset = input[at] | (input[at + 1] << 8);
    at += 2;
    const count = longer(token & 15) + 4;
    if (!(offset > 0) || offset > end || end + count > length) throw new Error("LZ4 block is damaged");
    // Bytes that are written now may be read again: one at a time.
    for (const stop = end + count; end < stop; end++) output[end] = output[end - offset];
  }
  if (end !== length) throw new Error("LZ4 block is cut off");
  return output;
}

/** Parquet's older LZ4: blocks behind Hadoop's two lengths, of what comes out and of what goes in; some writers leave them out. */
export function unpackHadoopLz4(input: Uint8Array, length: number): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const parts: Uint8Array[] = [];
  let unpacked = 0;
  for (let at = 0; at < input.length; ) {
    const [outBytes, inBytes] =
      at + 8 <= input.length ? [view.getUint32(at), view.getUint32(at + 4)] : [Infinity, Infinity];
    if (unpacked + outBytes > length || at + 8 + inBytes > input.length) return unpackLz4Block(input, length);
    parts.push(unpackLz4Block(input.subarray(at + 8, at + 8 + inBytes), outBytes));
    unpacked += outBytes;
    at += 8 + inBytes;
  }
  return unpacked === length && length > 0 ? new Uint8Array(Buffer.concat(parts)) : unpackLz4Block(input, length);
}
