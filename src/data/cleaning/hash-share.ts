/** A number from a text that looks random and is always the same. */
import { hash } from "node:crypto";

/** A number in [0, 1): the first 32 bits of the SHA-256 of a text. */
export const hashShare = (text: string): number =>
  Number.parseInt(hash("sha256", text, "hex").slice(0, 8), 16) / 2 ** 32;
