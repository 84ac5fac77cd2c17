/** One line for each request: never a query, a header or a word of a body. */
import type { MiddlewareHandler } from "hono";
import type { Env, LogFields } from "./http.ts";

export type LogForm = "none" | "text" | "json";

interface Line extends LogFields {
  time: string;
  method: string;
  path: string;
  status: number;
  ms: number;
}

/** Writes when the answer is complete (for a stream: when its last byte has been given, or its reader has left). */
export function requestLog(form: LogForm, write: (line: string) => void): MiddlewareHandler<Env> {
  return async (c, next) => {
    const began = performance.now();
    const fields: LogFields = {};
    c.set("log", fields);
    let written = false;
    const finish = () => {
      if (written || form === "none") return;
      written = true;
      const { method, path } = c.req;
      const ms = Math.round(performance.now() - began);
      const line: Line = { time: new Date().toISOString(), method, path, status: c.res.status, ms, ...fields };
      write(form === "json" ? JSON.stringify(line) : asText(line));
    };
    c.set("finished", finish);
    await next();
    const streams = /event-stream|ndjson/.test(c.res.headers.get("content-type") ?? "");
    if (!streams) finish();
  };
}

/** Paths are the client's words, and ids an upstream's: what could move a terminal's cursor, or begin a line, is not printed. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);

function asText({ time, method, path, status, ms, model, promptTokens, completionTokens }: Line): string {
  const tokens =
    completionTokens === undefined ? "" : ` ${printable(model ?? "")} ${promptTokens}+${completionTokens} tokens`;
  return `${time.slice(11, 19)} ${status} ${method} ${printable(path)} ${ms} ms${tokens}`;
}
