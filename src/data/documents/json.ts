/** JSON from outside, of a depth that the rest of the program can walk. */

/** Arrays and objects within each other. */
export const MAX_JSON_DEPTH = 256;

/** A value, or why there is none. */
export function parseJson(text: string): { value: unknown } | { why: string } {
  try {
    const value: unknown = JSON.parse(text);
    return isDeeper(value, MAX_JSON_DEPTH) ? { why: `JSON nested more than ${MAX_JSON_DEPTH} levels deep` } : { value };
  } catch (error) {
    return { why: `not valid JSON (${(error as Error).message.split("\n")[0].slice(0, 80)})` };
  }
}

/** Whether arrays and objects stand in each other deeper than `max`, found level by level, because recursion would end the program. */
function isDeeper(json: unknown, max: number): boolean {
  let level = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > max) return true;
    const next: unknown[] = [];
    for (const value of level)
      if (typeof value === "object" && value !== null)
        for (const part of Array.isArray(value) ? value : Object.values(value))
          if (typeof part === "object" && part !== null) next.push(part);
    level = next;
  }
  return false;
}

/** What a string of JSON says; null where it is none. */
export function parsedOf(text: string): unknown {
  const parsed = parseJson(text);
  return "value" in parsed ? parsed.value : null;
}
