/** What comes from other servers, made fit to be kept: every value that is stored can be exported, and imported again. */
import type { TokenInfo, Usage } from "../../infer/index.ts";
import type { MessageToolCall } from "../wire.ts";

const MAX_RIVALS = 20;
const MAX_TOOL_CALLS = 256;

type Fields = Record<string, unknown>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isByte = (value: unknown): value is number => isCount(value) && value <= 255;
const finite = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** Bytes that are none are told anew from the text. */
function pieceOf(value: Fields): Pick<TokenInfo, "id" | "text" | "bytes"> {
  const text = textOf(value.text);
  const bytes = listOf(value.bytes);
  const whole = Array.isArray(value.bytes) && bytes.every(isByte);
  return {
    id: Number.isSafeInteger(value.id) ? (value.id as number) : null,
    text,
    bytes: whole ? (bytes as number[]) : [...Buffer.from(text)],
  };
}

/** Rivals without a number are left out. */
function rivalsOf(value: unknown): TokenInfo["top"] {
  return listOf(value)
    .slice(0, MAX_RIVALS)
    .flatMap((one) => {
      const fields = fieldsOf(one);
      const logprob = finite(fields.logprob);
      return logprob === null ? [] : [{ ...pieceOf(fields), logprob }];
    });
}

function expertsOf(value: unknown): number[][] | null {
  if (!Array.isArray(value)) return null;
  return value.every((layer) => Array.isArray(layer) && layer.every(isCount)) ? (value as number[][]) : null;
}

export function cleanTokens(value: unknown): TokenInfo[] {
  return listOf(value).map((one) => {
    const fields = fieldsOf(one);
    const experts = expertsOf(fields.experts);
    return {
      ...pieceOf(fields),
      logprob: finite(fields.logprob),
      top: rivalsOf(fields.top),
      ...(typeof fields.drafted === "boolean" && { drafted: fields.drafted }),
      ...(experts && { experts }),
    };
  });
}

export function cleanUsage(value: unknown): Usage | null {
  if (typeof value !== "object" || value === null) return null;
  const fields = fieldsOf(value);
  const count = (name: keyof Usage): number => Math.max(0, Math.trunc(finite(fields[name]) ?? 0));
  const seconds = (name: keyof Usage): number | null => {
    const number = finite(fields[name]);
    return number === null ? null : Math.max(0, number);
  };
  return {
    promptTokens: count("promptTokens"),
    cachedTokens: count("cachedTokens"),
    completionTokens: count("completionTokens"),
    reasoningTokens: count("reasoningTokens"),
    draftedTokens: count("draftedTokens"),
    acceptedTokens: count("acceptedTokens"),
    queueSeconds: seconds("queueSeconds"),
    prefillSeconds: seconds("prefillSeconds"),
    decodeSeconds: seconds("decodeSeconds"),
  };
}

export function cleanToolCalls(value: unknown): MessageToolCall[] {
  return listOf(value)
    .slice(0, MAX_TOOL_CALLS)
    .map((one) => {
      const { id, name, arguments: args, result } = fieldsOf(one);
      return {
        id: textOf(id),
        name: textOf(name),
        arguments: textOf(args),
        result: typeof result === "string" ? result : null,
      };
    });
}
