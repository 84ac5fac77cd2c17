/** Texts as Python makes them, where templates rely on it and the interpreter, which is JavaScript's, makes others. */

/** A value of the interpreter. */
export interface JinjaValue {
  type?: string;
  value: unknown;
}

/**
 * What stands in a text for a value, as Python's str(); nothing for none and for what is not there.
 * @throws Error for a list or object that holds more than `max` characters
 */
export function printed(value: JinjaValue, max: number): string {
  if (value.type === "NullValue" || value.type === "UndefinedValue") return "";
  return typeof value.value === "string" ? value.value : represented(value, { left: max });
}

/** A value as Python's repr() writes it. The same text may stand in it many times, so what is made is counted as it is made. */
function represented(value: JinjaValue, room: { left: number }): string {
  const { type } = value;
  room.left -= type === "StringValue" ? String(value.value).length : 1;
  if (room.left < 0) throw new Error("it prints a list or an object that is too long");
  const items = () => (value.value as JinjaValue[]).map((item) => represented(item, room)).join(", ");
  switch (type) {
    case "StringValue":
      return quoted(String(value.value));
    case "BooleanValue":
      return value.value === true ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "Undefined";
    case "ArrayValue":
      return `[${items()}]`;
    case "TupleValue":
      return `(${items()}${(value.value as JinjaValue[]).length === 1 ? "," : ""})`;
    case "ObjectValue": {
      const entries = [...(value.value as Map<string, JinjaValue>)];
      return `{${entries.map(([key, item]) => `${quoted(key)}: ${represented(item, room)}`).join(", ")}}`;
    }
    default:
      return String(value);
  }
}

const ESCAPES: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\n\r\t]/g, (char) => ESCAPES[char]);
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

/** Methods of a text that take characters away from its ends. */
export const STRIPS = ["strip", "lstrip", "rstrip"] as const;

/** A text without any of these characters at its ends. */
export function stripped(text: string, characters: string, method: (typeof STRIPS)[number]): string {
  const all = [...text];
  const known = new Set(characters);
  let [from, to] = [0, all.length];
  if (method !== "rstrip") while (from < to && known.has(all[from])) from++;
  if (method !== "lstrip") while (to > from && known.has(all[to - 1])) to--;
  return all.slice(from, to).join("");
}
