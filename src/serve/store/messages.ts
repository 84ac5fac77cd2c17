import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { TokenInfo } from "../../infer/index.ts";
import type { Message } from "../wire.ts";
import { cleanTokens, cleanToolCalls, cleanUsage } from "./clean.ts";
import type { MessageStore, NewStoredMessage } from "./store.ts";

/** Most bytes that one message's token infos take when they are unpacked. */
const LARGEST_XRAY = 256 << 20;

type Row = Record<string, string | number | null>;

export class SqliteMessages implements MessageStore {
  private readonly insert;
  private readonly select;
  private readonly selectBranch;
  private readonly selectAll;
  private readonly update;
  private readonly selectXray;
  private readonly insertXray;

  constructor(db: DatabaseSync) {
    this.insert = db.prepare(
      `INSERT INTO messages (id, conversation_id, parent_id, role, content, reasoning, attachments, created_at, model, status,
         error, finish_reason, usage, cost_usd, left_out, tool_calls, slot)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.select = db.prepare(
      `SELECT m.* FROM messages m JOIN conversations c ON c.id = m.conversation_id
       WHERE m.id = ? AND c.owner = ? AND c.deleted_at IS NULL`,
    );
    this.selectBranch = db.prepare(
      `WITH RECURSIVE up (id, parent_id, depth) AS (
         SELECT id, parent_id, 0 FROM messages WHERE id = ?
         UNION ALL SELECT m.id, m.parent_id, depth + 1 FROM messages m JOIN up ON m.id = up.parent_id)
       SELECT m.* FROM up JOIN messages m ON m.id = up.id ORDER BY depth DESC`,
    );
    this.selectAll = db.prepare("SELECT * FROM messages WHERE conversation_id = ? ORDER BY seq");
    this.update = db.prepare(
      `UPDATE messages SET content = ?, reasoning = ?, status = ?, error = ?, finish_reason = ?, usage = ?, cost_usd = ?,
         left_out = ?, tool_calls = ? WHERE id = ?`,
    );
    this.selectXray = db.prepare("SELECT tokens FROM xray WHERE message_id = ?");
    // A message whose conversation is gone has no token infos either.
    this.insertXray = db.prepare(
      "INSERT OR REPLACE INTO xray (message_id, tokens) SELECT id, ? FROM messages WHERE id = ?",
    );
  }

  add(given: NewStoredMessage): Message {
    const message: Message = {
      id: randomUUID(),
      content: "",
      reasoning: null,
      attachments: [],
      createdAt: Date.now(),
      model: null,
      status: "done",
      error: null,
      finishReason: null,
      usage: null,
      costUsd: null,
      leftOut: 0,
      ...given,
    };
    const { id, conversationId, parentId, role, content, reasoning, attachments, createdAt, model } = message;
    this.insert.run(
      ...[id, conversationId, parentId, role, content, reasoning, JSON.stringify(attachments), createdAt, model],
      ...[message.status, message.error, message.finishReason, packedUsage(message)],
      ...[costOf(message), message.leftOut ?? 0, packedCalls(message), message.slot ?? 0],
    );
    return message;
  }

  get(owner: string, id: string): Message | null {
    const row = this.select.get(id, owner);
    return row ? messageOf(row as Row) : null;
  }

  branch({ id }: Message): Message[] {
    return this.selectBranch.all(id).map((row) => messageOf(row as Row));
  }

  all(conversationId: string): Message[] {
    return this.selectAll.all(conversationId).map((row) => messageOf(row as Row));
  }

  save(message: Message): void {
    const { id, content, reasoning, status, error, finishReason, leftOut = 0 } = message;
    this.update.run(
      ...[content, reasoning, status, error, finishReason, packedUsage(message), costOf(message), leftOut],
      ...[packedCalls(message), id],
    );
  }

  xray(id: string): TokenInfo[] {
    const row = this.selectXray.get(id);
    if (!row) return [];
    return cleanTokens(
      JSON.parse(inflateRawSync(row.tokens as Uint8Array, { maxOutputLength: LARGEST_XRAY }).toString()),
    );
  }

  saveXray(id: string, tokens: readonly TokenInfo[]): void {
    if (tokens.length === 0) return;
    const json = Buffer.from(JSON.stringify(cleanTokens(tokens)));
    if (json.length <= LARGEST_XRAY) this.insertXray.run(deflateRawSync(json, { level: 3 }), id);
  }
}

/** What other servers say of a reply is made fit to be kept, on the way in and, for what older versions kept, on the way out. */
const packedUsage = ({ usage }: Message): string | null => usage && JSON.stringify(cleanUsage(usage));
const packedCalls = ({ toolCalls }: Message): string | null =>
  toolCalls?.length ? JSON.stringify(cleanToolCalls(toolCalls)) : null;
const costOf = ({ costUsd }: Message): number | null => (costUsd !== null && Number.isFinite(costUsd) ? costUsd : null);

function messageOf(row: Row): Message {
  return {
    id: row.id as string,
    conversationId: row.conversation_id as string,
    parentId: row.parent_id as string | null,
    role: row.role as Message["role"],
    content: row.content as string,
    reasoning: row.reasoning as string | null,
    attachments: JSON.parse(row.attachments as string),
    createdAt: row.created_at as number,
    model: row.model as string | null,
    status: row.status as Message["status"],
    error: row.error as string | null,
    finishReason: row.finish_reason as Message["finishReason"],
    usage: row.usage === null ? null : cleanUsage(JSON.parse(row.usage as string)),
    costUsd: row.cost_usd as number | null,
    leftOut: row.left_out as number,
    ...(row.tool_calls !== null && { toolCalls: cleanToolCalls(JSON.parse(row.tool_calls as string)) }),
    ...(row.slot !== 0 && { slot: row.slot as number }),
  };
}
