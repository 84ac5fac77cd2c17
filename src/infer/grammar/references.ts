/** What a `$ref` names within its schema: by a JSON pointer, or by the `$id` or `$anchor` of a definition. */
import { isObject, type Schema } from "./keywords.ts";

/** @throws RangeError that says why it leads nowhere */
export function lookUp(root: Schema, reference: string): Schema {
  const text = JSON.stringify(reference);
  const pointer = /^#(?:\/|$)/.test(reference) ? reference.slice(1) : null;
  const found = pointer === null ? named(root, reference) : pointed(root, pointer, text);
  if (found === undefined && pointer === null)
    throw new RangeError(`${text}: only references within the schema (#/…) are supported`);
  if (found === undefined) throw new RangeError(`${text} names nothing in the schema`);
  if (!isObject(found) && typeof found !== "boolean") throw new RangeError(`${text} names no schema`);
  return found;
}

function pointed(root: Schema, pointer: string, text: string): unknown {
  let found: unknown = root;
  for (const part of pointer.split("/").slice(1)) {
    const name = decoded(part, text).replaceAll("~1", "/").replaceAll("~0", "~");
    const inside = typeof found === "object" && found !== null && Object.hasOwn(found, name);
    found = inside ? (found as Record<string, unknown>)[name] : undefined;
  }
  return found;
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new RangeError(`${text} has a "%" that escapes nothing`);
  }
}

/** Generators name definitions by `$id` or `$anchor`; they stand in $defs or definitions. */
function named(root: Schema, reference: string): unknown {
  if (!isObject(root)) return undefined;
  for (const key of ["$defs", "definitions"]) {
    const group = root[key];
    const all = isObject(group) ? Object.values(group) : [];
    const one = all.find((part) => isObject(part) && (part.$id === reference || `#${part.$anchor}` === reference));
    if (one) return one;
  }
  return reference === root.$id ? root : undefined;
}
