/** Full-text search: every word of the query must stand in one message, or in the title. */
import type { DatabaseSync } from "node:sqlite";
import type { ConversationSummary } from "../wire.ts";

const MAX_WORDS = 10;
/** Characters of one word; the rest is not looked for. Every place of every text is compared with them. */
const MAX_WORD = 64;
/** Characters around the first match that a snippet shows. */
const BEFORE = 40;
const AFTER = 120;
/** Around each match (a private use area: no text has them by itself). */
const MARK = ["\uE000", "\uE001"];

export interface SearchOrder {
  owner: string;
  query: string;
  limit: number;
  /** Only conversations changed earlier (milliseconds). */
  before: number;
}

/** What passes between the store and the thread that searches. */
export interface Asked {
  id: number;
  search: SearchOrder;
}
export interface Found {
  id: number;
  /** A text: why it failed. */
  found: ConversationSummary[] | string;
}

/** Newest conversation first, each once, with its latest message that matches. */
export function find(db: DatabaseSync, { owner, query, limit, before }: SearchOrder): ConversationSummary[] {
  const words = wordsOf(query);
  if (words.length === 0) return [];
  // The index knows three characters and more; shorter words are looked for in what is left.
  const indexed = words.filter((word) => [...word].length >= 3);
  const like = words.map((word) => `%${word.replace(/[\\%_]/g, "\\$&")}%`);
  const every = (column: string) => words.map(() => `${column} LIKE ? ESCAPE '\\'`).join(" AND ");
  const match = indexed.length > 0 ? "m.seq IN (SELECT rowid FROM search WHERE search MATCH ?) AND" : "";
  const matched = indexed.length > 0 ? [indexed.map((word) => `"${word.replaceAll('"', '""')}"`).join(" ")] : [];
  const rows = db
    .prepare(
      `SELECT c.id, c.title, c.updated_at AS updatedAt, found.id AS messageId, found.content
       FROM conversations c LEFT JOIN (
         SELECT m.id, m.content, m.conversation_id, max(m.seq) FROM messages m
         WHERE ${match} ${every("m.content")} GROUP BY m.conversation_id
       ) found ON found.conversation_id = c.id
       WHERE c.owner = ? AND c.deleted_at IS NULL AND c.updated_at < ?
         AND (found.id IS NOT NULL OR (${every("c.title")}))
       ORDER BY c.updated_at DESC LIMIT ?`,
    )
    .all(...matched, ...like, owner, before, ...like, limit);
  return rows.map((row) => {
    const { id, title, updatedAt, messageId, content } = row as Record<string, string> & { updatedAt: unknown };
    const hit = { messageId: messageId ?? null, snippet: snippet(content ?? title, words) };
    return { id, title, updatedAt: updatedAt as number, hit };
  });
}

/** Control characters end words as spaces do: SQLite takes U+0000 for the end of a text. */
function wordsOf(query: string): string[] {
  const words = query.toWellFormed().split(/[\s\p{Cc}]+/u);
  return words
    .filter((word) => word !== "")
    .slice(0, MAX_WORDS)
    .map((word) => [...word].slice(0, MAX_WORD).join(""));
}

/** The surroundings of the first match, with every match in it marked. */
export function snippet(text: string, words: readonly string[]): string {
  const longestFirst = words.toSorted((a, b) => b.length - a.length);
  const pattern = longestFirst.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const first = text.search(new RegExp(pattern, "iu"));
  const from = Math.max(0, (first < 0 ? 0 : first) - BEFORE);
  const to = Math.min(text.length, Math.max(0, first) + AFTER);
  const cut = text.slice(from, to).toWellFormed().replaceAll(/\s+/g, " ").trim();
  const marked = cut.replaceAll(new RegExp(pattern, "giu"), (found) => `${MARK[0]}${found}${MARK[1]}`);
  return `${from > 0 ? "…" : ""}${marked}${to < text.length ? "…" : ""}`;
}
