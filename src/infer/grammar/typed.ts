/** The form of a value of one type, as all schemas of a set describe it together. */
import { INTEGER_FORMATS } from "./formats.ts";
import { literal, type Node } from "./grammar.ts";
import type { Json, Schema, Type } from "./keywords.ts";
import { NumberForm } from "./numbers.ts";
import { objectForm } from "./object-form.ts";
import { type Context, countsOf, literalsOf, numbers } from "./schema-context.ts";
import { StringForms } from "./string-forms.ts";
import type { Work } from "./work.ts";

/** Elements of an array that are held to what it must contain. */
const MAX_CONTAINED = 8;

export class TypedForms {
  private readonly context: Context;
  private readonly strings: StringForms;

  constructor(context: Context) {
    this.context = context;
    this.strings = new StringForms(context);
  }

  *of(type: Type, set: readonly Json[], path: string, depth: number): Work<Node> {
    if (type === "null") return literal([null]);
    if (type === "boolean") return literal([true, false]);
    if (type === "string") return yield* this.strings.of(set, path);
    if (type === "array") return yield* this.array(set, path, depth);
    if (type === "object") return yield* objectForm({ set, path, depth }, this.context, this.strings);
    return this.number(type === "integer", set, path);
  }

  private number(integer: boolean, set: readonly Json[], path: string): Node {
    this.context.budget.spend(20);
    const all = (name: string) => numbers(set, name);
    // Drafts 3 and 4 said with true that the other bound is none of the numbers.
    const excluded = (name: string, other: string) =>
      set.filter((schema) => schema[name] === true).flatMap((schema) => numbers([schema], other));
    const sizes = set.flatMap(({ format }) => INTEGER_FORMATS.get(format as string) ?? []);
    try {
      const form = new NumberForm({
        integer,
        minimum: [...all("minimum"), ...sizes.filter((_, i) => i % 2 === 0)],
        maximum: [...all("maximum"), ...sizes.filter((_, i) => i % 2 === 1)],
        exclusiveMinimum: [...all("exclusiveMinimum"), ...excluded("exclusiveMinimum", "minimum")],
        exclusiveMaximum: [...all("exclusiveMaximum"), ...excluded("exclusiveMaximum", "maximum")],
        multipleOf: all("multipleOf"),
      });
      return { kind: "number", form };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.context.refuse(`${path}/multipleOf`, error.message);
      return { kind: "number", form: new NumberForm({ integer }) };
    }
  }

  private *array(set: readonly Json[], path: string, depth: number): Work<Node> {
    const { compile, unheld } = this.context;
    const [low, high] = countsOf(set, "Items", path, this.context);
    const lists = set.map(listOf);
    const contained = this.contained(set);
    const length = Math.max(contained.length, ...lists.map(({ listed }) => listed.length));
    const prefix: Node[] = [];
    for (let i = 0; i < length; i++) {
      const parts = lists.flatMap(({ listed, rest }): Schema[] => (i < listed.length ? [listed[i]] : [rest ?? true]));
      prefix.push(yield* compile([...parts, ...(contained[i] ?? [])], `${path}/items/${i}`, depth));
    }
    // After listed items, others come only where the schema speaks of them.
    const spoken = lists.some(({ rest }) => rest !== undefined);
    const listed = lists.some((list) => list.listed.length > 0);
    const open = spoken || !listed || low > length;
    const others = lists.map(({ rest }) => rest ?? true);
    const items = open && !others.includes(false) ? yield* compile(others, `${path}/items`, depth) : null;
    const min = Math.max(low, contained.length);
    const max = items ? high : Math.min(high, length);
    if (!set.some(({ uniqueItems }) => uniqueItems === true))
      return { kind: "array", prefix, items, min, max, unique: null };
    const unique = items && prefix.length === 0 ? literalsOf(items, this.context) : null;
    if (!unique && max > 1) unheld();
    return { kind: "array", prefix, items, min, max: Math.min(max, unique?.texts.length ?? max), unique };
  }

  /** Schemas of the first elements, so that the array contains what it must. */
  private contained(set: readonly Json[]): Schema[][] {
    const out: Schema[][] = [];
    for (const { contains, minContains = 1, maxContains } of set) {
      if (contains === undefined) continue;
      if ((minContains as number) > MAX_CONTAINED || maxContains !== undefined) this.context.unheld();
      for (let i = 0; i < Math.min(minContains as number, MAX_CONTAINED); i++) {
        out[i] ??= [];
        out[i].push(contains as Schema);
      }
    }
    return out;
  }
}

/** Schemas of the first elements, and of the others, where it speaks of them. Draft 7 wrote the first as a list of items. */
function listOf(schema: Json): { listed: Schema[]; rest: Schema | undefined } {
  const { items, prefixItems = [], additionalItems, unevaluatedItems } = schema;
  const listed = (Array.isArray(items) ? items : prefixItems) as Schema[];
  const rest = (Array.isArray(items) ? additionalItems : items) ?? unevaluatedItems;
  return { listed, rest: rest as Schema | undefined };
}
