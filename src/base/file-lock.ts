/**
 * A lock that ends with the process that holds it, however it ends: an open transaction of an SQLite file. The system's own locks are behind it, so
 * neither a process's number, nor its namespace or container, nor a restart of the machine can make it be taken for another's, or for nobody's.
 */
import { DatabaseSync } from "node:sqlite";

export interface FileLock {
  close(): void;
}

const SQLITE_BUSY = 5;

/** Locks a file, which is made if it is missing, as long as the result is held. Null where somebody has it, this process included. @throws Error where it cannot be made */
export function lockFile(path: string): FileLock | null {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null;
    throw error;
  }
  return database;
}
