import fc from "fast-check";
import { expect, it } from "vitest";
import { renderJinja } from "./jinja.ts";

const render = (expression: string, values: Record<string, unknown> = {}) =>
  renderJinja(`{{ ${expression} }}`, values, 100);

it.each([
  ["true", "True"],
  ["1 in [2]", "False"],
  ["[1, 'a', none, true, 1.0]", "[1, 'a', None, True, 1.0]"],
  ["{'a': 'b', 'c': {'d': []}}", "{'a': 'b', 'c': {'d': []}}"],
  [`["it's", 'say "no"', 'a\\nb']`, `["it's", 'say "no"', 'a\\nb']`],
  ["{'a': true} | tojson", '{"a": true}'],
  ["none", ""],
  ["missing", ""],
])("%s is written as Python writes it", (expression, text) => {
  expect(render(expression)).toBe(text);
});

it("a list that holds a long text many times is refused before it is written", () => {
  const values = { x: "x".repeat(2 ** 20), y: Array(64).fill("") };
  expect(() => renderJinja(`{{ [${"x,".repeat(64)}] }}`, values, 2 ** 20)).toThrow(
    /a list or an object that is too long/,
  );
});

it("strip, lstrip and rstrip take away the characters that they are given, and no others", () => {
  const letters = fc.string({ unit: fc.constantFrom("\n", " ", "a", "b", "👍") });
  fc.assert(
    fc.property(letters, letters, (text, characters) => {
      const outside = (end: string[]) => end.length === 0 || !characters.includes(end[0]);
      const left = render("x.lstrip(y)", { x: text, y: characters });
      const right = render("x.rstrip(y)", { x: text, y: characters });
      expect(text.endsWith(left) && text.startsWith(right)).toBe(true);
      expect(outside([...left]) && outside([...right].reverse())).toBe(true);
      expect(render("x.rstrip(y).lstrip(y)", { x: text, y: characters })).toBe(
        render("x.strip(y)", { x: text, y: characters }),
      );
    }),
    { seed: 16 },
  );
  expect(render("x.split('</think>')[-1].lstrip('\\n')", { x: "<think>a</think>\n\n  b" })).toBe("  b");
  expect(render("x.strip()", { x: " \n b " })).toBe("b");
});
