import { describe, expect, it } from "vitest";
import { ContaminationIndex, itemTexts } from "./contamination.ts";

const question =
  "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips?";

function index(...items: string[]): ContaminationIndex {
  const made = new ContaminationIndex();
  for (const [i, text] of items.entries()) made.add(`set#${i}`, text);
  return made;
}

describe("ContaminationIndex", () => {
  it("finds an item in other punctuation and case, with the words in common", () => {
    const [overlap, ...more] = index(question, "Something else entirely.").find(
      `Before it. NATALIA sold clips -- to 48 of her friends; in April and then she sold two.`,
    );
    expect(more).toEqual([]);
    expect(overlap.item).toBe("set#0");
    expect(overlap.words.join(" ")).toBe("natalia sold clips to 48 of her friends in april and then she sold");
  });

  it("twelve words in common are not enough, thirteen are", () => {
    const words = question.split(" ");
    expect(index(question).find(words.slice(0, 12).join(" "))).toEqual([]);
    expect(index(question).find(words.slice(3, 16).join(" ")).length).toBe(1);
  });

  it("an item of 7 to 12 words must be there whole", () => {
    const short = "What is the capital city of France today?";
    expect(index(short).find(`He asked: what is the capital city of France today`)[0].words.length).toBe(8);
    expect(index(short).find(`What is the capital city of France`)).toEqual([]);
    expect(index("Six words are not quite enough").size).toEqual({ runs: 0, short: 0 });
  });

  it("runs of numbers and of few different words say nothing", () => {
    const sums = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15";
    const chorus = "la la la la la la la la la la la la la la";
    expect(index(sums, chorus).size.runs).toBe(0);
    expect(index(sums, chorus).find(`${sums} ${chorus}`)).toEqual([]);
  });

  it("tells of each item its longest run, and of every item", () => {
    const other =
      "A train leaves the station at nine in the morning and travels north for three whole hours without a stop.";
    const found = index(question, other).find(`${question.slice(0, 70)} Break. ${other} And again: ${question}`);
    expect(found.map(({ item }) => item).sort()).toEqual(["set#0", "set#1"]);
    expect(found.find(({ item }) => item === "set#0")!.words.length).toBe(23);
  });
});

it("an item's texts are its fields and the contents of its messages", () => {
  const item = { prompt: "P", answer: "4", reference: "R", messages: [{ content: "M" }, null, { content: 4 }] };
  expect(itemTexts(item)).toEqual(["P", "R", "M"]);
  expect(itemTexts(item, ["answer"])).toEqual(["4"]);
});
