/** Why the store could not do something, in words for the person who asked. */
export interface StoreFailure {
  kind: "busy" | "full" | "readonly" | "disk";
  /** As HTTP has it. */
  status: 503 | 507;
  message: string;
}

const FULL: StoreFailure = {
  kind: "full",
  status: 507,
  message: "the disk that holds the conversations is full; free some space and try again",
};
const READONLY: StoreFailure = {
  kind: "readonly",
  status: 503,
  message: "the file that holds the conversations cannot be written; see its rights and its disk",
};

/** SQLite's primary result codes. */
const FAILURES: Record<number, StoreFailure> = {
  5: { kind: "busy", status: 503, message: "another process holds the database of conversations; try again soon" },
  6: { kind: "busy", status: 503, message: "another process holds the database of conversations; try again soon" },
  8: READONLY,
  10: { kind: "disk", status: 503, message: "the disk that holds the conversations fails (input/output error)" },
  13: FULL,
};

/** What a failure of SQLite or of the file system means, or null where it is a mistake in this program. */
export function failureOf(error: unknown): StoreFailure | null {
  if (!(error instanceof Error)) return null;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (code === "ENOSPC" || code === "EDQUOT") return FULL;
  if (code === "EROFS") return READONLY;
  if (code !== "ERR_SQLITE_ERROR" || typeof errcode !== "number") return null;
  return FAILURES[errcode & 0xff] ?? null;
}
