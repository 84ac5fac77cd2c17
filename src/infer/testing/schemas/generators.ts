/** Schemas as generators for other languages and libraries print them, with the kinds of types that each of them treats in its own way. */

const pydantic = {
  $defs: {
    Cat: {
      properties: {
        kind: { const: "cat", title: "Kind", type: "string" },
        lives: { default: 9, title: "Lives", type: "integer", exclusiveMinimum: 0 },
      },
      required: ["kind"],
      title: "Cat",
      type: "object",
    },
    Dog: {
      properties: {
        kind: { const: "dog", title: "Kind", type: "string" },
        weight: { title: "Weight", type: "number", exclusiveMinimum: 0, maximum: 100 },
      },
      required: ["kind", "weight"],
      title: "Dog",
      type: "object",
    },
    Color: { enum: ["red", "green"], title: "Color", type: "string" },
    Node: {
      properties: {
        value: { title: "Value", type: "integer" },
        next: { anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }], default: null },
      },
      required: ["value"],
      title: "Node",
      type: "object",
    },
  },
  properties: {
    pet: {
      discriminator: { mapping: { cat: "#/$defs/Cat", dog: "#/$defs/Dog" }, propertyName: "kind" },
      oneOf: [{ $ref: "#/$defs/Cat" }, { $ref: "#/$defs/Dog" }],
      title: "Pet",
    },
    color: { $ref: "#/$defs/Color", default: "red", description: "Of the pet" },
    colors: { items: { $ref: "#/$defs/Color" }, title: "Colors", type: "array", uniqueItems: true },
    born: { format: "date", title: "Born", type: "string" },
    seen: { format: "date-time", title: "Seen", type: "string" },
    at: { format: "time", title: "At", type: "string" },
    lasted: { format: "duration", title: "Lasted", type: "string" },
    id: { format: "uuid", title: "Id", type: "string" },
    id4: { format: "uuid4", title: "Id4", type: "string" },
    mail: { format: "email", title: "Mail", type: "string" },
    site: { format: "uri", maxLength: 2083, minLength: 1, title: "Site", type: "string" },
    file: { format: "path", title: "File", type: "string" },
    raw: { format: "binary", title: "Raw", type: "string" },
    secret: { format: "password", title: "Secret", type: "string", writeOnly: true },
    host4: { format: "ipv4", title: "Host4", type: "string" },
    host6: { format: "ipv6", title: "Host6", type: "string" },
    net: { format: "ipv4network", title: "Net", type: "string" },
    price: {
      anyOf: [
        { minimum: 0, type: "number" },
        { pattern: "^(?!^[-+.]*$)[+-]?0*(?:\\d{0,8}|(?=[\\d.]{1,11}0*$)\\d{0,8}\\.\\d{0,2}0*$)", type: "string" },
      ],
      title: "Price",
    },
    amount: { anyOf: [{ type: "number" }, { pattern: "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", type: "string" }] },
    pair: {
      maxItems: 2,
      minItems: 2,
      prefixItems: [{ type: "integer" }, { type: "string" }],
      title: "Pair",
      type: "array",
    },
    counts: { additionalProperties: { type: "integer" }, title: "Counts", type: "object" },
    keyed: { patternProperties: { "^[a-z]{2}$": { type: "boolean" } }, additionalProperties: false, type: "object" },
    node: { anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }], default: null },
    any: { title: "Any" },
    mode: { enum: [1, "auto", null], title: "Mode" },
  },
  required: ["pet", "born", "seen", "id", "mail", "pair"],
  title: "Animal",
  type: "object",
};

const typia = {
  $ref: "#/components/schemas/IMember",
  components: {
    schemas: {
      IMember: {
        type: "object",
        properties: {
          id: { type: "string", format: "uuid", "x-typia-tag": "uuid" },
          age: { type: "integer", exclusiveMinimum: 19, maximum: 100 },
          size: { type: "integer", minimum: 0, maximum: 18446744073709552000 },
          score: { oneOf: [{ type: "null" }, { type: "number" }] },
          tags: { type: "array", items: { type: "string" }, minItems: 1, uniqueItems: true },
          parent: { oneOf: [{ type: "null" }, { $ref: "#/components/schemas/IMember" }] },
          grade: { oneOf: [{ const: "a" }, { const: "b" }] },
          point: { type: "array", prefixItems: [{ type: "number" }, { type: "number" }], additionalItems: false },
        },
        required: ["id", "age", "score", "tags", "parent", "grade"],
        additionalProperties: false,
        "x-typia-jsDocTags": [],
      },
    },
  },
};

const schemars = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Config",
  type: "object",
  properties: {
    port: { type: "integer", format: "uint16", minimum: 0, maximum: 65535 },
    offset: { type: "integer", format: "int64" },
    largest: { type: "integer", format: "uint64", minimum: 0 },
    ratio: { type: "number", format: "double" },
    byte: { type: "integer", format: "uint8", minimum: 0, maximum: 255 },
    name: { type: ["string", "null"] },
    mode: {
      oneOf: [
        { description: "Once", type: "string", const: "Once" },
        { type: "string", enum: ["Daily", "Weekly"] },
        {
          type: "object",
          properties: { Every: { type: "integer", format: "uint32", minimum: 0 } },
          required: ["Every"],
          additionalProperties: false,
        },
      ],
    },
    flags: { type: "array", items: { type: "boolean" }, uniqueItems: true },
    letter: { type: "string", minLength: 1, maxLength: 1 },
    other: { anyOf: [{ $ref: "#/$defs/Inner" }, { type: "null" }] },
    map: { type: "object", additionalProperties: { $ref: "#/$defs/Inner" } },
  },
  required: ["port", "offset", "ratio", "mode", "letter"],
  $defs: { Inner: { type: "object", properties: { a: { type: "boolean", default: true } } } },
};

const go = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://example.org/order",
  $ref: "#/$defs/Order",
  $defs: {
    Order: {
      properties: {
        id: { type: "integer", minimum: -(2 ** 63), maximum: 2 ** 63 },
        when: { type: "string", format: "date-time" },
        data: { type: "string", contentEncoding: "base64" },
        lines: { items: { $ref: "#/$defs/Line" }, type: "array" },
        meta: true,
        labels: { patternProperties: { ".*": { type: "string" } }, type: "object" },
      },
      additionalProperties: false,
      type: "object",
      required: ["id", "when", "lines"],
    },
    Line: {
      properties: { sku: { type: "string", pattern: "^[A-Z]{2}\\d{4}$" }, count: { type: "integer", maximum: 9 } },
      additionalProperties: false,
      type: "object",
      required: ["sku", "count"],
    },
  },
};

const openApi = {
  type: "object",
  required: ["code", "kind"],
  properties: {
    code: { type: "integer", format: "int32", minimum: 0, exclusiveMinimum: true, example: 3 },
    text: { type: "string", nullable: true, xml: { name: "t" } },
    kind: { type: "string", enum: ["a", "b"], "x-enum-varnames": ["A", "B"] },
    when: { type: "string", format: "date-time", readOnly: true },
    file: { type: "string", format: "byte" },
    amount: { type: "number", format: "float", multipleOf: 0.01, minimum: 0, maximum: 5 },
  },
};

const conditions = {
  type: "object",
  properties: {
    country: { enum: ["US", "CA"] },
    code: { type: "string" },
    card: { type: "string" },
    cvc: { type: "string" },
  },
  required: ["country", "code"],
  if: { properties: { country: { const: "US" } }, required: ["country"] },
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema names it so
  then: { properties: { code: { pattern: "^\\d{5}$" } } },
  else: { properties: { code: { pattern: "^[A-Z]\\d[A-Z]$" } } },
  dependentRequired: { card: ["cvc"] },
  not: { required: ["cvc", "never"] },
  additionalProperties: false,
};

const contained = {
  type: "array",
  items: { type: "integer", minimum: 0, maximum: 9 },
  contains: { const: 7 },
  minItems: 2,
  maxItems: 4,
};

/** What LangChain's and the AI SDK's converters for older Zod versions print. */
const draft7 = {
  $schema: "http://json-schema.org/draft-07/schema#",
  $ref: "#/definitions/answer",
  definitions: {
    answer: {
      type: "object",
      properties: {
        steps: { type: "array", items: { type: "string", minLength: 1 }, minItems: 1, maxItems: 2 },
        point: { type: "array", minItems: 2, maxItems: 2, items: [{ type: "number" }, { type: "number" }] },
        rating: { type: ["number", "null"], minimum: 0, maximum: 5 },
        kind: {
          anyOf: [
            { type: "string", const: "x" },
            { type: "number", const: 1 },
          ],
        },
        extra: { type: "object", additionalProperties: {}, propertyNames: { minLength: 1 } },
        child: { $ref: "#/definitions/answer" },
      },
      required: ["steps", "point", "rating", "kind"],
      additionalProperties: false,
    },
  },
};

export const GENERATED: Record<string, unknown> = {
  pydantic,
  typia,
  schemars,
  go,
  openApi,
  conditions,
  contained,
  draft7,
};
