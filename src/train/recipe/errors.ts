/** What is wrong with a recipe, in words: the field, and the nearest name of one that is known. */
import type { z } from "zod";
import { didYouMean } from "../../base/index.ts";

type Issue = z.core.$ZodIssue;

/** The issue in one line that names the field. schema: what the recipe was checked against. */
export function explain(issue: Issue, schema: z.ZodType): string {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const field = issue.keys[0];
    return `unknown field ${path ? `${path}.` : ""}${field}${suggestion(field, fieldsAt(schema, issue.path))}`;
  }
  if (issue.code === "invalid_union") {
    // Of the alternatives, the one whose complaint lies deepest is what was meant.
    const deepest = issue.errors.flat().sort((a, b) => b.path.length - a.path.length)[0];
    if (deepest) return explain({ ...deepest, path: [...issue.path, ...deepest.path] } as Issue, schema);
  }
  return `${path || "the recipe"}: ${issue.message.replace("Invalid input: ", "")}`;
}

/** Names of the fields at a place in the schema. */
function fieldsAt(root: unknown, path: readonly PropertyKey[]): string[] {
  let schema = root;
  const unwrap = (node: unknown): unknown => {
    const inner = (node as { _zod?: { def?: { innerType?: unknown } } })?._zod?.def?.innerType;
    return inner ? unwrap(inner) : node;
  };
  for (const key of path) {
    schema = unwrap(schema);
    const def = (schema as { _zod?: { def?: { shape?: Record<string, unknown>; element?: unknown } } })?._zod?.def;
    schema = typeof key === "number" ? def?.element : def?.shape?.[String(key)];
  }
  const shape = (unwrap(schema) as { _zod?: { def?: { shape?: Record<string, unknown> } } })?._zod?.def?.shape;
  return Object.keys(shape ?? {});
}

/** " (did you mean …?)" for a name that is near, or else all that are known. */
export function suggestion(name: string, names: readonly string[]): string {
  return didYouMean(name, names) || (names.length > 0 ? `; known are ${names.join(", ")}` : "");
}
