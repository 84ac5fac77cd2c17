import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { namedModel, namedModels } from "./model-names.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-names-"));
afterAll(() => rmSync(dir, { recursive: true }));
for (const run of ["mine", "other"]) {
  mkdirSync(join(dir, run, "model"), { recursive: true });
  writeFileSync(join(dir, run, "ledger.jsonl"), "");
}
mkdirSync(join(dir, "a=b"));
const at = (name: string) => join(dir, name);

describe("the name of a model", () => {
  it.each([
    [at("mine/model"), "mine"],
    [at("mine/model/"), "mine"],
    [at("a=b"), "a=b"],
    ["models/minnow", "minnow"],
    [at("elsewhere/model"), "model"],
    [at("Moonlight-Q4_K_M.gguf"), "Moonlight-Q4_K_M"],
    [at("V3-Q4_0-00001-of-00009.gguf"), "V3-Q4_0"],
  ])("of %s is %s", (text, id) => {
    expect(namedModel(text)).toEqual({ id, dir: text });
  });

  it("is the one that is given", () => {
    expect(namedModel(`best=${at("mine/model")}`)).toEqual({ id: "best", dir: at("mine/model") });
    expect(() => namedModel("a b=models/minnow")).toThrow(/"a b" is no name/);
  });

  it("tells models apart, or says how to", () => {
    expect(namedModels([at("mine/model"), at("other/model")]).map(({ id }) => id)).toEqual(["mine", "other"]);
    expect(() => namedModels([at("mine/model"), at("mine/model/")])).toThrow(
      /is named "mine", as .* is; give it another name, as in --model mine-2=/,
    );
  });
});
