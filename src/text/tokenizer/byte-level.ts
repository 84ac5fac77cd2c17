/**
 * The byte alphabet of byte-level BPE files: each byte has one printable character, its own where it is printable and else one from
 * U+0100 on, so that any bytes can be written as text in tokenizer.json.
 */
const charOfByte: string[] = [];
const byteOfChar = new Map<string, number>();
{
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    charOfByte[byte] = String.fromCharCode(printable(byte) ? byte : next++);
    byteOfChar.set(charOfByte[byte], byte);
  }
}

/** Bytes as they are written in tokenizer.json. */
export function bytesToChars(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += charOfByte[byte];
  return text;
}

/** The bytes that a written token stands for; null where it has a character outside the alphabet. */
export function charsToBytes(text: string): Uint8Array | null {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfChar.get(text[i]);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}
