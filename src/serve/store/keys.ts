/** API keys. A key is 256 random bits, so its SHA-256 cannot be guessed back: no slow hash is needed, and each request's check is quick. */
import { createHash, randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { KeyStore, StoredKey } from "./store.ts";

const PREFIX = "sk-shoal-";
/** A key's last use is noted this often at most. */
const NOTE_MS = 60_000;

export class SqliteKeys implements KeyStore {
  private readonly db: DatabaseSync;
  private readonly select;
  private readonly note;
  /** When the last use of each key was noted, or could not be. */
  private readonly noted = new Map<string, number>();

  constructor(db: DatabaseSync) {
    this.db = db;
    this.select = db.prepare("SELECT id, name, last_used_at FROM keys WHERE hash = ? AND revoked_at IS NULL");
    this.note = db.prepare("UPDATE keys SET last_used_at = ? WHERE id = ?");
  }

  create(name: string): { id: string; key: string } {
    const key = PREFIX + randomBytes(32).toString("base64url");
    const id = randomBytes(4).toString("hex");
    this.db
      .prepare("INSERT INTO keys (id, name, hash, created_at) VALUES (?, ?, ?, ?)")
      .run(id, name, hashOf(key), Date.now());
    return { id, key };
  }

  list(): StoredKey[] {
    return this.db
      .prepare("SELECT id, name, created_at, last_used_at, revoked_at FROM keys ORDER BY created_at, id")
      .all()
      .map((row) => ({
        id: row.id as string,
        name: row.name as string,
        createdAt: row.created_at as number,
        lastUsedAt: row.last_used_at as number | null,
        revokedAt: row.revoked_at as number | null,
      }));
  }

  revoke(id: string): boolean {
    const done = this.db
      .prepare("UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
      .run(Date.now(), id);
    return done.changes > 0;
  }

  check(key: string): string | null {
    if (!key.startsWith(PREFIX)) return null;
    const row = this.select.get(hashOf(key));
    if (!row) return null;
    const time = Date.now();
    const id = row.id as string;
    const noted = Math.max((row.last_used_at as number | null) ?? 0, this.noted.get(id) ?? 0);
    if (time - noted > NOTE_MS) {
      this.noted.set(id, time);
      try {
        this.note.run(time, id);
      } catch (error) {
        // A locked or full database is no reason to turn a good key away.
        console.error(error);
      }
    }
    return row.name as string;
  }
}

const hashOf = (key: string): string => createHash("sha256").update(key).digest("hex");
