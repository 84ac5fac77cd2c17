/**
 * Checks a value against a JSON Schema the plain way: by what each keyword means. It shares nothing with the forms that replies are held to,
 * so that one can be tested with the other. It knows the keywords that forms know.
 */

type Json = Record<string, unknown>;

/** What is wrong with a value; nothing if it is valid. */
export function validate(schema: unknown, value: unknown, root: unknown = schema, path = ""): string[] {
  if (schema === true) return [];
  if (schema === false) return [`${path}: nothing is allowed here`];
  const s = schema as Json;
  const problems: string[] = [];
  const check = (holds: boolean, what: string) => {
    if (!holds) problems.push(`${path || "value"}: ${what}`);
  };
  const inner = (part: unknown, x: unknown, at = path) => validate(part, x, root, at);
  if (s.nullable === true && value === null) return [];
  if (s.$ref !== undefined) problems.push(...inner(lookUp(root, s.$ref as string), value));
  if (s.type !== undefined)
    check(
      [s.type].flat().some((type) => isOfType(value, type as string)),
      `is no ${s.type}`,
    );
  if (s.const !== undefined) check(same(value, s.const), "is another constant");
  if (s.enum !== undefined)
    check(
      (s.enum as unknown[]).some((one) => same(value, one)),
      "is none of the enum",
    );
  for (const part of (s.allOf as unknown[]) ?? []) problems.push(...inner(part, value));
  const fitting = (list: unknown) => (list as unknown[]).filter((part) => inner(part, value).length === 0).length;
  if (s.anyOf !== undefined) check(fitting(s.anyOf) > 0, "fits none of anyOf");
  if (s.oneOf !== undefined) check(fitting(s.oneOf) === 1, `fits ${fitting(s.oneOf)} of oneOf`);
  if (typeof value === "string") checkString(s, value, check);
  if (typeof value === "number") checkNumber(s, value, check);
  if (Array.isArray(value)) {
    check(value.length >= ((s.minItems as number) ?? 0), "has too few items");
    check(value.length <= ((s.maxItems as number) ?? Number.POSITIVE_INFINITY), "has too many items");
    const listed = Array.isArray(s.items) ? s.items : ((s.prefixItems as unknown[]) ?? []);
    const rest = (Array.isArray(s.items) ? s.additionalItems : s.items) ?? true;
    value.forEach((item, i) => {
      problems.push(...inner(i < listed.length ? listed[i] : rest, item, `${path}/${i}`));
    });
  } else if (typeof value === "object" && value !== null) {
    const keys = Object.keys(value);
    const properties = (s.properties as Json) ?? {};
    check(keys.length >= ((s.minProperties as number) ?? 0), "has too few properties");
    check(keys.length <= ((s.maxProperties as number) ?? Number.POSITIVE_INFINITY), "has too many properties");
    for (const name of (s.required as string[]) ?? []) check(keys.includes(name), `lacks ${name}`);
    for (const [key, own] of Object.entries(value)) {
      const part = Object.hasOwn(properties, key) ? properties[key] : (s.additionalProperties ?? true);
      problems.push(...inner(part, own, `${path}/${key}`));
    }
  }
  return problems;
}

type Check = (holds: boolean, what: string) => void;

function checkString(s: Json, value: string, check: Check): void {
  const length = [...value].length;
  check(length >= ((s.minLength as number) ?? 0), "is too short");
  check(length <= ((s.maxLength as number) ?? Number.POSITIVE_INFINITY), "is too long");
  if (s.pattern !== undefined) check(new RegExp(s.pattern as string, "u").test(value), `does not match ${s.pattern}`);
  const test = FORMATS[s.format as string];
  if (test) check(test(value), `is no ${s.format}`);
}

function checkNumber(s: Json, value: number, check: Check): void {
  check(Number.isFinite(value), "is not finite");
  if (s.minimum !== undefined) check(value >= (s.minimum as number), "is too small");
  if (s.maximum !== undefined) check(value <= (s.maximum as number), "is too large");
  if (s.exclusiveMinimum !== undefined) check(value > (s.exclusiveMinimum as number), "is too small");
  if (s.exclusiveMaximum !== undefined) check(value < (s.exclusiveMaximum as number), "is too large");
  if (s.multipleOf !== undefined) {
    const times = value / (s.multipleOf as number);
    check(Math.abs(times - Math.round(times)) < 1e-9, `is no multiple of ${s.multipleOf}`);
  }
}

const FORMATS: Record<string, (value: string) => boolean> = {
  date: (x) => new Date(`${x}T00:00:00Z`).toISOString().startsWith(x),
  time: (x) => !Number.isNaN(Date.parse(`2024-01-01T${x}`)),
  "date-time": (x) => !Number.isNaN(Date.parse(x)) && x.includes("T"),
  duration: (x) => /^P(?!$)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)$/.test(x),
  email: (x) => /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(x),
  hostname: (x) => x.length < 254 && x.split(".").every((label) => /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/.test(label)),
  ipv4: (x) =>
    x.split(".").length === 4 && x.split(".").every((part) => String(Number(part)) === part && Number(part) < 256),
  uuid: (x) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(x),
  uri: (x) => URL.canParse(x),
};

function isOfType(value: unknown, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function lookUp(root: unknown, reference: string): unknown {
  let found = root as Json;
  for (const part of reference.split("/").slice(1)) found = found[part] as Json;
  return found;
}
