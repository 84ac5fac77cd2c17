/** What another server says of a failure, in whatever form it says it, as one line. */
import { isObject, type Json, list, text } from "./json.ts";

/** Characters of an upstream's own words that are passed on. */
const LONGEST_WORDS = 500;
/** Keys shorter than this are no secrets ("none", "EMPTY"), and might stand anywhere. */
const SHORTEST_KEY = 8;

export interface Words {
  message: string;
  code: string;
  param: string | undefined;
  /** As an HTTP status, where one is named. */
  status: number | null;
}

const line = (value: unknown): string =>
  typeof value === "string"
    ? value
        .replaceAll(/[\s\p{Cc}\u2028\u2029]+/gu, " ")
        .trim()
        .slice(0, LONGEST_WORDS)
    : "";

const NOTHING: Words = { message: "", code: "", param: undefined, status: null };

/** What an error's body says. */
export function wordsOf(body: string): Words {
  if (isPage(body)) return { ...NOTHING, message: titleOf(body) };
  try {
    return errorIn(JSON.parse(body)) ?? NOTHING;
  } catch {
    return { ...NOTHING, message: line(body) };
  }
}

/** The error that a JSON value tells of; null: it tells of none. `answers`: also what is no error by its form, but no answer either. */
export function errorIn(body: unknown, answers: (body: Json) => boolean = () => false): Words | null {
  if (typeof body === "string") return { ...NOTHING, message: line(body) };
  if (Array.isArray(body)) return body.length === 1 ? errorIn(body[0], answers) : null;
  if (!isObject(body)) return null;
  const inner: unknown = body.error || body.errors;
  if (!inner && answers(body)) return null;
  const error = Array.isArray(inner) ? inner[0] : inner || body;
  const told = isObject(error) ? error : body;
  const message =
    line(error) ||
    line(told.message) ||
    line(told.msg) ||
    detailOf(told.detail) ||
    detailOf(body.detail) ||
    line(body.message) ||
    (inner ? line(told.type) : "");
  if (!inner && message === "") return null;
  const named = [told.code, told.status, body.code, body.status, body.status_code].map(Number);
  const status = named.find((code) => Number.isInteger(code) && code >= 400 && code < 600) ?? null;
  return { message, code: line(told.code), param: line(told.param) || undefined, status };
}

/** FastAPI's list of what is wrong where. */
function detailOf(detail: unknown): string {
  if (typeof detail === "string") return line(detail);
  if (isObject(detail)) return line(detail.message) || line(detail.msg) || line(detail.error);
  const all = list(detail)
    .slice(0, 5)
    .map((one) => {
      const where = list(one?.loc)
        .filter((part: unknown) => part !== "body")
        .join(".");
      const what = line(one) || text(one?.msg) || text(one?.message);
      return where && what ? `${where}: ${what}` : what;
    });
  return line(all.filter((part) => part !== "").join("; "));
}

export const isPage = (body: string): boolean => /^\s*<(!|html|head|body|\?xml)/i.test(body.slice(0, 200));

/** A page says little, but often its title does. */
const titleOf = (page: string): string => line(/<title[^>]*>([^<]{1,200})</i.exec(page.slice(0, 8192))?.[1] ?? "");

/** Words without the key that this server sends: some servers repeat it in their errors. */
export function withoutKey(words: string, key: string | undefined): string {
  if (!key || key.length < SHORTEST_KEY) return words;
  return words.replaceAll(key, "[key]").replaceAll(encodeURIComponent(key), "[key]");
}
