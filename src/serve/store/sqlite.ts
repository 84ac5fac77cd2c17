/** The store in one SQLite file, with Node's own SQLite. */
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type FileLock, InputError, lockFile } from "../../base/index.ts";
import { SqliteConversations } from "./conversations.ts";
import { failureOf } from "./failure.ts";
import { SqliteKeys } from "./keys.ts";
import { SqliteMessages } from "./messages.ts";
import { SqlitePresets } from "./presets.ts";
import { migrate } from "./schema.ts";
import { Searcher } from "./searcher.ts";
import { type Store, UNDO_MS } from "./store.ts";
import { remove, whole } from "./whole.ts";

/** Milliseconds that a statement waits for another process. A server waits on its only thread, a command has all the time. */
const SERVER_PATIENCE_MS = 200;
const COMMAND_PATIENCE_MS = 5000;

export interface OpenOptions {
  /** Open beside a server that may be running: for commands that only touch keys. */
  beside?: boolean;
}

/**
 * Opens the store of a data folder, which is made if it is missing; only its owner can read it.
 * After a server that was killed, the file is checked, and replies that were being written are marked as interrupted.
 * @throws InputError if another server has the folder, or the file is damaged
 */
export function openStore(folder: string, { beside = false }: OpenOptions = {}): Store {
  const path = join(folder, "shoal.db");
  let lock: FileLock | null = null;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!beside) lock = lockFolder(folder);
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    const db = new DatabaseSync(path);
    db.exec(
      "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;",
    );
    migrate(db, path);
    if (!beside) recover(db, path);
    // What comes before happens once, at the start; from here on requests wait.
    db.exec(`PRAGMA busy_timeout = ${beside ? COMMAND_PATIENCE_MS : SERVER_PATIENCE_MS}`);
    return new SqliteStore(db, lock, new Searcher(path));
  } catch (error) {
    lock?.close();
    if (error instanceof InputError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (/not a database|malformed/.test(message)) throw damaged(path, message);
    const known = failureOf(error);
    if (known) throw new InputError(`${path}: cannot be opened: ${known.message}`);
    throw new InputError(`${path}: cannot be opened (${code === "ERR_SQLITE_ERROR" ? message : (code ?? message)})`);
  }
}

function lockFolder(folder: string): FileLock {
  const lock = lockFile(join(folder, "server.lock"));
  if (!lock)
    throw new InputError(
      `${folder}: another shoal serve has this data folder; stop it, or name another with --data-dir`,
    );
  return lock;
}

/** What a server that did not end by itself leaves. */
function recover(db: DatabaseSync, path: string): void {
  const killed = db.prepare("SELECT 1 FROM meta WHERE name = 'running'").get() !== undefined;
  if (killed) {
    const result = db.prepare("PRAGMA integrity_check(1)").get()!.integrity_check as string;
    if (result !== "ok") throw damaged(path, result);
  }
  db.exec(
    `INSERT OR REPLACE INTO meta VALUES ('running', ${process.pid});
     UPDATE messages SET status = 'interrupted' WHERE status IN ('queued', 'streaming');`,
  );
}

const damaged = (path: string, what: string) =>
  new InputError(`${path}: damaged (${what.split("\n")[0]}); put a copy in its place, or move it away to begin anew`);

class SqliteStore implements Store {
  readonly conversations: SqliteConversations;
  readonly messages: SqliteMessages;
  readonly presets: SqlitePresets;
  readonly keys: SqliteKeys;
  private readonly db: DatabaseSync;
  private readonly lock: FileLock | null;
  private readonly searcher: Searcher;

  constructor(db: DatabaseSync, lock: FileLock | null, searcher: Searcher) {
    this.db = db;
    this.lock = lock;
    this.searcher = searcher;
    this.messages = new SqliteMessages(db);
    this.conversations = new SqliteConversations(db, this.messages, searcher);
    this.presets = new SqlitePresets(db);
    this.keys = new SqliteKeys(db);
    this.purge();
  }

  whole<Result>(work: () => Result): Result {
    return whole(this.db, work);
  }

  purge(): void {
    try {
      remove(this.db, "deleted_at < ?", Date.now() - UNDO_MS);
    } catch (error) {
      console.error(error);
    }
  }

  close(): void {
    if (!this.db.isOpen) return;
    this.searcher.close();
    if (this.lock) this.db.exec("DELETE FROM meta WHERE name = 'running'");
    this.db.close();
    this.lock?.close();
  }
}
