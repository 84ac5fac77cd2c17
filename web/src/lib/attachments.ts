/** Files that go with a message: text and code, within limits. */
import type { Attachment } from "../../../src/serve/wire.ts";

export const ATTACHMENT_LIMITS = { fileBytes: 256 * 1024, totalBytes: 1024 * 1024, files: 16 } as const;
/** Pasted text of more characters becomes an attachment, so that the question stays readable. */
export const PASTE_AS_FILE = 4_000;

export type Refusal = "too-large" | "not-text" | "too-many";

export type Read = { attachment: Attachment } | { refused: Refusal; name: string };

/** @param taken characters and files that the message has already */
export async function readFile(file: File, taken: { bytes: number; files: number }): Promise<Read> {
  const { name } = file;
  if (taken.files >= ATTACHMENT_LIMITS.files) return { refused: "too-many", name };
  if (file.size > ATTACHMENT_LIMITS.fileBytes || taken.bytes + file.size > ATTACHMENT_LIMITS.totalBytes)
    return { refused: "too-large", name };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    return text.includes("\0") ? { refused: "not-text", name } : { attachment: { name, text } };
  } catch {
    return { refused: "not-text", name };
  }
}
