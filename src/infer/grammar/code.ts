/** The alphabet of forms. */

/** A byte, or 256 + n for the n-th mark: a token that is none of text. */
export type Code = number;

const encoder = new TextEncoder();

export function bytesOf(text: string): Code[] {
  return [...encoder.encode(text)];
}
