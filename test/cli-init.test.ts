/** `shoal init` as a user meets it: from data to a recipe that runs as it stands. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadRecipe } from "../src/train/index.ts";
import { shoal } from "./shoal.ts";
import { temporaryFolder, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);

describe("init", () => {
  it("writes a recipe for texts and chats, from which shoal train makes a model", async () => {
    const path = join(dir, "mine.json");
    const { code, out } = await shoal(["init", path, join(data, "stories.jsonl"), join(data, "chats.jsonl")]);
    expect(code).toBe(0);
    expect(out).toMatch(/text +120 documents/);
    expect(out).toMatch(/conversations +40,/);
    const recipe = loadRecipe(path);
    expect(recipe).toMatchObject({ name: "mine", size: "tiny" });
    expect(recipe.stages.map(({ name, mixture }) => [name, mixture])).toEqual([
      ["pretrain", [{ path: "./data/stories.jsonl", weight: 1 }]],
      ["chat", [{ path: "./data/chats.jsonl", weight: 1 }]],
    ]);
    // Held-out texts and chats are there; a few steps show that it runs, from any folder.
    const run = await shoal(["train", path, "--out", join(dir, "run"), "--max-steps", "2", "--threads", "1"]);
    expect({ code: run.code, errors: run.errors }).toEqual({
      code: 0,
      errors: expect.stringContaining("stopped after step 2"),
    });
  });

  it("never writes over a file, and does not make a new model of chats alone", async () => {
    const there = join(dir, "there.json");
    writeFileSync(there, "mine");
    expect((await shoal(["init", there, data])).errors).toMatch(/there\.json: is there already/);
    expect(readFileSync(there, "utf8")).toBe("mine");
    const chats = await shoal(["init", join(dir, "chats.json"), join(data, "chats.jsonl")]);
    expect(chats.errors).toMatch(/conversations alone make no new model: .* --from/);
    expect(existsSync(join(dir, "chats.json"))).toBe(false);
    mkdirSync(join(dir, "empty"));
    expect((await shoal(["init", join(dir, "e.json"), join(dir, "empty")])).code).toBe(1);
  });
});
