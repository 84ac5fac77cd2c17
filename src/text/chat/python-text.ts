/** Texts as Python makes them, where templates rely on it and the interpreter, which is JavaScript's, makes others. */

/** A value of the interpreter. */
export interface JinjaValue {
  type?: string;
  value: unknown;
}

/** What stands in a text for a value, as Python's str(); nothing for none and for what is not there. */
export function printed(value: JinjaValue): string {
  if (value.type === "NullValue" || value.type === "UndefinedValue") return "";
  return typeof value.value === "string" ? value.value : represented(value);
}

/** A value as Python's repr() writes it. */
function represented(value: JinjaValue): string {
  const items = () => (value.value as JinjaValue[]).map(represented);
  switch (value.type) {
    case "StringValue":
      return quoted(String(value.value));
    case "BooleanValue":
      return value.value === true ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "Undefined";
    case "ArrayValue":
      return `[${items().join(", ")}]`;
    case "TupleValue":
      return `(${items().join(", ")}${items().length === 1 ? "," : ""})`;
    case "ObjectValue": {
      const entries = [...(value.value as Map<string, JinjaValue>)];
      return `{${entries.map(([key, item]) => `${quoted(key)}: ${represented(item)}`).join(", ")}}`;
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
