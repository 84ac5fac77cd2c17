import { expect, it } from "vitest";
import { patternTerm } from "./pattern.ts";
import { Terms } from "./terms.ts";
import { unicodeProperty } from "./unicode-property.ts";
import { Budget } from "./work.ts";

it.each(["L", "Lu", "Cn", "Any", "Script=Han", "ASCII"])(
  "characters of \\p{%s} are those of a regular expression",
  (name) => {
    const test = new RegExp(`\\p{${name}}`, "u");
    const ranges = unicodeProperty(name);
    let next = 0;
    let wrong = 0;
    for (let char = 0; char <= 0x10ffff; char++) {
      if (char >= 0xd800 && char < 0xe000) continue;
      while (next < ranges.length && ranges[next][1] < char) next++;
      const found = next < ranges.length && ranges[next][0] <= char;
      wrong += Number(found !== test.test(String.fromCodePoint(char)));
    }
    expect(wrong).toBe(0);
  },
);

it("a property that there is not is named, and so is a pattern of too many", () => {
  expect(() => unicodeProperty("Nonsense")).toThrow(/\\p\{Nonsense\}/);
  const many = ["L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd"];
  const term = () => patternTerm(many.map((name) => `\\p{${name}}`).join(""), new Terms(new Budget()));
  expect(term).toThrow(/more than 16 properties/);
});
