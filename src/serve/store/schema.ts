/** The tables, as the steps by which they came to be. A step that has been released is never changed; `user_version` counts those done. */
import type { DatabaseSync } from "node:sqlite";
import { InputError } from "../../base/index.ts";

const MIGRATIONS = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    settings TEXT NOT NULL,
    leaf_id TEXT,
    deleted_at INTEGER
  ) STRICT;
  CREATE INDEX conversations_by_time ON conversations (owner, updated_at DESC);

  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    reasoning TEXT,
    attachments TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    model TEXT,
    status TEXT NOT NULL,
    error TEXT,
    finish_reason TEXT,
    usage TEXT,
    cost_usd REAL,
    left_out INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX messages_by_conversation ON messages (conversation_id, seq);
  CREATE INDEX messages_by_parent ON messages (parent_id);
  CREATE INDEX messages_unfinished ON messages (status) WHERE status IN ('queued', 'streaming');

  CREATE TABLE xray (
    message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    tokens BLOB NOT NULL
  ) STRICT;

  CREATE TABLE presets (owner TEXT PRIMARY KEY, presets TEXT NOT NULL) STRICT;

  CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
  ) STRICT;

  -- Three characters at a time: finds parts of words, in Chinese too. A reply enters once it is whole.
  CREATE VIRTUAL TABLE search USING fts5 (content, content = 'messages', content_rowid = 'seq', tokenize = 'trigram');
  INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
  CREATE TRIGGER search_insert AFTER INSERT ON messages WHEN new.status NOT IN ('queued', 'streaming') BEGIN
    INSERT INTO search (rowid, content) VALUES (new.seq, new.content);
  END;
  CREATE TRIGGER search_delete AFTER DELETE ON messages WHEN old.status NOT IN ('queued', 'streaming') BEGIN
    INSERT INTO search (search, rowid, content) VALUES ('delete', old.seq, old.content);
  END;
  CREATE TRIGGER search_leave AFTER UPDATE OF content, status ON messages
    WHEN old.status NOT IN ('queued', 'streaming') BEGIN
    INSERT INTO search (search, rowid, content) VALUES ('delete', old.seq, old.content);
  END;
  CREATE TRIGGER search_enter AFTER UPDATE OF content, status ON messages
    WHEN new.status NOT IN ('queued', 'streaming') BEGIN
    INSERT INTO search (rowid, content) VALUES (new.seq, new.content);
  END;`,

  `ALTER TABLE messages ADD COLUMN tool_calls TEXT;
  ALTER TABLE messages ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE defaults (owner TEXT PRIMARY KEY, settings TEXT NOT NULL) STRICT;`,
];

/** Brings a database up to date, each step whole or not at all. @throws InputError for one that a newer Shoal has written */
export function migrate(db: DatabaseSync, path: string): void {
  const done = db.prepare("PRAGMA user_version").get()!.user_version as number;
  if (done > MIGRATIONS.length)
    throw new InputError(`${path}: written by a newer Shoal; use that, or name another folder with --data-dir`);
  for (let step = done; step < MIGRATIONS.length; step++)
    db.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[step]} PRAGMA user_version = ${step + 1}; COMMIT;`);
}
