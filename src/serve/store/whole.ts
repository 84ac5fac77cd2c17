/** Changes that are made as a whole. */
import type { DatabaseSync } from "node:sqlite";

/** Does all of it or nothing. Within another such piece of work it is part of that. */
export function whole<Result>(db: DatabaseSync, work: () => Result): Result {
  if (db.isTransaction) return work();
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // Where the disk is full SQLite may have rolled back by itself.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/**
 * Deletes conversations with all that is theirs. SQLite ends a chain of cascading deletes after 1,000 steps, and a message is deleted with its
 * parent: so the messages first forget whose children they are.
 *
 * @param which a condition on `conversations`, with one parameter
 * @returns how many there were
 */
export function remove(db: DatabaseSync, which: string, value: string | number): number {
  return whole(db, () => {
    db.prepare(
      `UPDATE messages SET parent_id = NULL WHERE parent_id IS NOT NULL
         AND conversation_id IN (SELECT id FROM conversations WHERE ${which})`,
    ).run(value);
    return Number(db.prepare(`DELETE FROM conversations WHERE ${which}`).run(value).changes);
  });
}
