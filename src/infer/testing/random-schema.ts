/** JSON Schemas of every kind that replies can be held to, nested a few levels deep. */
import fc from "fast-check";

const name = fc.constantFrom("a", "b", "name", "x y", "日本", 'q"', "ab");
export const { schema: randomSchema } = fc.letrec<{ schema: Record<string, unknown> }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ type: fc.constantFrom("string", "boolean", "null", "integer", "number") }),
    fc.integer({ min: -50, max: 50 }).map((minimum) => ({ type: "integer", minimum, maximum: minimum + 30 })),
    fc.tuple(fc.nat(4), fc.nat(4)).map(([a, b]) => ({ type: "string", minLength: a, maxLength: a + b })),
    fc.constantFrom("^[ab]+$", "\\d{2}", "^(x|yz)*!?$", "^.{0,3}$").map((pattern) => ({ type: "string", pattern })),
    fc
      .uniqueArray(fc.oneof(fc.integer(), fc.string(), fc.constant(null)), { minLength: 1, maxLength: 4 })
      .map((list) => ({ enum: list })),
    fc.record({
      type: fc.constant("array"),
      items: tie("schema"),
      minItems: fc.nat(2),
      maxItems: fc.integer({ min: 2, max: 4 }),
    }),
    fc
      .array(tie("schema"), { minLength: 1, maxLength: 3 })
      .map((prefixItems) => ({ type: "array", prefixItems, items: false })),
    fc
      .tuple(fc.dictionary(name, tie("schema"), { maxKeys: 4 }), fc.boolean(), fc.nat(15))
      .map(([properties, closed, bits]) => ({
        type: "object",
        properties,
        required: Object.keys(properties).filter((_, i) => bits & (1 << i)),
        ...(closed ? { additionalProperties: false } : {}),
      })),
    fc.record({ type: fc.constant("object"), additionalProperties: tie("schema"), maxProperties: fc.nat(3) }),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
}));
