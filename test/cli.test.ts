/** The command line as a user meets it: every command, in processes of their own. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSafetensors } from "../src/checkpoint/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, train } from "../src/train/index.ts";
import { MAIN, shoal } from "./shoal.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const run = join(dir, "run");
const model = join(run, "model");
await train(parseRecipe(tinyRecipe(8192)), { out: run, data, kernels: createKernels() });

describe("help", () => {
  it.concurrent.each([[], ["chat"], ["generate"], ["score"], ["inspect"], ["train"]])(
    "shoal %s --help teaches",
    async (...command) => {
      const { code, out } = await shoal([...command, "--help"]);
      expect(code).toBe(0);
      expect(out).toMatch(/Usage: shoal/);
      if (command.length > 0) expect(out).toMatch(/shoal (chat|generate|score|inspect|train)/);
    },
  );

  it.concurrent("--version is that of the package", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(await shoal(["--version"])).toMatchObject({ code: 0, out: `${version}\n` });
  });
});

describe("generate", () => {
  it("streams text; the same seed gives the same", async () => {
    const args = ["generate", "--model", model, "--prompt", "Ada sees", "--max-tokens", "12", "--seed", "3"];
    const [first, second] = [await shoal(args), await shoal(args)];
    expect(first).toMatchObject({ code: 0, out: second.out });
    expect(first.out.trim().length).toBeGreaterThan(5);
  });

  it("--json: text, ids, why it ended, counts and speeds", async () => {
    const { out } = await shoal([
      "generate",
      "--model",
      model,
      "--prompt",
      "Ada sees",
      "--max-tokens",
      "5",
      "--temperature",
      "0",
      "--json",
    ]);
    const json = JSON.parse(out);
    expect(Object.keys(json)).toEqual([
      "text",
      "ids",
      "finishReason",
      "promptTokens",
      "completionTokens",
      "draftedTokens",
      "acceptedTokens",
      "prefillTokensPerSecond",
      "decodeTokensPerSecond",
    ]);
    expect(json).toMatchObject({
      completionTokens: json.ids.length,
      finishReason: expect.stringMatching(/^(length|stop)$/),
    });
  });

  it("--draft gives the same greedy text", async () => {
    const args = [
      "generate",
      "--model",
      model,
      "--prompt",
      "Ada sees",
      "--max-tokens",
      "30",
      "--temperature",
      "0",
      "--json",
    ];
    const flags = ["--no-draft", "--draft"];
    const [plain, drafted] = (await Promise.all(flags.map((flag) => shoal([...args, flag])))).map(({ out }) =>
      JSON.parse(out),
    );
    expect(drafted.ids).toEqual(plain.ids);
    expect(plain.draftedTokens).toBe(0);
    expect(drafted.draftedTokens).toBeGreaterThan(0);
  });

  it("--chat puts the prompt into the template", async () => {
    const args = [
      "generate",
      "--model",
      model,
      "--prompt",
      "Who is number 2?",
      "--temperature",
      "0",
      "--max-tokens",
      "4",
      "--json",
    ];
    const [plain, chat] = await Promise.all([shoal(args), shoal([...args, "--chat"])]);
    expect(JSON.parse(chat.out).promptTokens).toBe(JSON.parse(plain.out).promptTokens + 2);
  });

  it("a reader that leaves is no error", async () => {
    const child = spawn(process.execPath, [
      MAIN,
      "generate",
      "--model",
      model,
      "--prompt",
      "Ada",
      "--max-tokens",
      "100",
      "--seed",
      "1",
    ]);
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(0);
  });
});

describe("score", () => {
  it("--json: ids, tokens, logprobs, bits per byte; --file and --text agree; --logits writes them all", async () => {
    const text = "Bo likes the deep sea.";
    const file = join(dir, "text.txt");
    const logits = join(dir, "logits.safetensors");
    writeFileSync(file, text);
    const [a, b] = await Promise.all([
      shoal(["score", "--model", model, "--text", text, "--json"]),
      shoal(["score", "--model", model, "--file", file, "--logits", logits, "--json"]),
    ]);
    expect(JSON.parse(a.out)).toEqual(JSON.parse(b.out));
    const { ids, tokens, logprobs, bitsPerByte } = JSON.parse(a.out);
    expect([tokens.length, logprobs.length]).toEqual([ids.length, ids.length]);
    expect(tokens.slice(1).join("")).toBe(text);
    expect(bitsPerByte).toBeGreaterThan(0);
    expect(openSafetensors(logits).tensors.get("logits")).toMatchObject({ dtype: "F32", shape: [ids.length, 320] });
    const again = await shoal(["score", "--model", model, "--ids", ids.join(","), "--json"]);
    expect(JSON.parse(again.out).logprobs).toEqual(logprobs);
  });

  it("without --json a line for each token", async () => {
    const { out } = await shoal(["score", "--model", model, "--text", "Bo likes"]);
    expect(out).toMatch(/bits per byte\n$/);
  });
});

describe("inspect", () => {
  it("counts a folder and a bare config alike", async () => {
    const [folder, config] = await Promise.all([
      shoal(["inspect", "--model", model, "--json"]),
      shoal(["inspect", "--config", join(model, "config.json"), "--json"]),
    ]);
    const [a, b] = [JSON.parse(folder.out), JSON.parse(config.out)];
    expect(a.parameters).toEqual(b.parameters);
    expect(a.stored.BF16.tensors).toBeGreaterThan(10);
    const { header } = { header: openSafetensors(join(model, "model.safetensors")).tensors };
    const stored = [...header.values()].reduce((sum, { shape }) => sum + shape.reduce((x, y) => x * y, 1), 0);
    // The total leaves out MTP; the router's biases are no parameters that a gradient trains, but they are stored.
    expect(a.parameters.total).toBeLessThanOrEqual(stored);
  });

  it("--tensors lists them", async () => {
    const { out } = await shoal(["inspect", "--model", model, "--tensors"]);
    expect(out).toMatch(/model\.embed_tokens\.weight {2}BF16 \[320, 32\]/);
  });
});

describe("train", () => {
  it("trains from a recipe file and says where the model is", async () => {
    const path = join(dir, "recipe.json");
    writeFileSync(path, JSON.stringify(tinyRecipe(1024)));
    const { code, errors } = await shoal(["train", path, "--data", data, "--out", join(dir, "trained")]);
    expect(code).toBe(0);
    expect(errors).toMatch(/pretrain step 1 \([\d.]+ %\) loss [\d.]+ .* left\n/);
    expect(errors).toMatch(/finished: 5 steps, 1280 tokens, [\d.]+ bits per byte; the model is in /);
  });
});

describe("chat", () => {
  it("piped lines are turns; only replies are printed", async () => {
    const { code, out, errors } = await shoal(
      ["chat", "--model", model, "--temperature", "0", "--max-tokens", "5"],
      "Who is number 1?\nWho is number 2?\n",
    );
    expect({ code, lines: out.trimEnd().split("\n").length }).toEqual({ code: 0, lines: 2 });
    expect(errors).not.toMatch(/error|shoal:/i);
  });
});

describe("a folder without a tokenizer", () => {
  const bare = "test/goldens/base";

  it.concurrent("is scored by ids, and inspected", async () => {
    const scored = await shoal(["score", "--model", bare, "--ids", "5,9,3", "--json"]);
    expect(scored.code).toBe(0);
    expect(scored.errors).toMatch(/^shoal: without the tokens' texts: [^\n]*tokenizer\.json[^\n]*\n$/m);
    const { ids, logprobs, bitsPerByte } = JSON.parse(scored.out);
    expect([ids, logprobs.length, bitsPerByte]).toEqual([[5, 9, 3], 3, null]);
    expect(await shoal(["inspect", "--model", bare])).toMatchObject({ code: 0, errors: "" });
  });

  it.concurrent("cannot be given text, in one line", async () => {
    const { code, errors } = await shoal(["score", "--model", bare, "--text", "a"]);
    expect([code, errors]).toEqual([1, expect.stringMatching(/^shoal: [^\n]*needs its tokenizer\.json\n$/)]);
  });
});
