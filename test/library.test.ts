/** Shoal as a library: what its entries export, that importing one loads nothing of the others, and that their examples run. */
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import * as shoal from "../src/index.ts";
import { ROOT, readText } from "./house/files.ts";
import { temporaryFolder } from "./tiny.ts";

/** Rooms and packages that an entry never loads. "." is all of them. */
const NEVER: Record<string, readonly string[]> = {
  ".": ["bench", "cli", "commander"],
  "./infer": ["data", "plan", "train", "report", "serve", "hono", "prom-client", "hyparquet", "quickjs-emscripten"],
  "./train": ["serve", "hono", "prom-client"],
  "./serve": ["data", "plan", "train", "report", "hyparquet", "quickjs-emscripten"],
  "./data": ["plan", "infer", "train", "report", "serve", "hono", "prom-client"],
  "./plan": ["checkpoint", "text", "data", "infer", "train", "serve", "hono", "hyparquet"],
};

const entries = Object.keys(NEVER);
/** The source of an entry: "./infer" is src/infer.ts. */
const sourceOf = (entry: string) => `src/${entry === "." ? "index" : entry.slice(2)}.ts`;

describe("the library", () => {
  it("exports what docs/library.md promises, and nothing by accident", () => {
    expect(Object.keys(shoal).sort()).toEqual([
      "Chat",
      "EngineError",
      "InputError",
      "Tokenizer",
      "applyChatTemplate",
      "availableIsas",
      "checkTask",
      "configToJson",
      "countDeepseek",
      "countParameters",
      "createEngine",
      "createKernels",
      "createServer",
      "createUpstream",
      "encodeChat",
      "findCachedModel",
      "findHardware",
      "generate",
      "generateTask",
      "joinEngines",
      "listCachedModels",
      "loadModel",
      "loadRecipe",
      "loadTokenizer",
      "modelCard",
      "openFolder",
      "openSafetensors",
      "openStore",
      "parseConfig",
      "parseModelName",
      "parseRecipe",
      "planBudget",
      "planPull",
      "planServing",
      "planTraining",
      "pullModel",
      "readDocuments",
      "readRun",
      "reportPage",
      "saveTokenizer",
      "score",
      "serve",
      "tokenise",
      "train",
      "trainBpe",
      "trainingFlops",
      "unseenTasks",
      "watchRun",
      "wholeOf",
      "writeFolder",
      "writeSafetensors",
    ]);
  });

  const dir = temporaryFolder();

  it.each(entries)("%s loads nothing of the others", (entry) => {
    const script = join(ROOT, "test/loaded.mjs");
    const { stdout } = spawnSync(process.execPath, [script, join(ROOT, sourceOf(entry))], { encoding: "utf8" });
    const loaded = JSON.parse(stdout) as string[];
    const names = loaded.map((url) =>
      url.includes("/node_modules/")
        ? /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)![1]
        : url.slice(pathToFileURL(join(ROOT, "src")).href.length + 1).split("/")[0],
    );
    expect(names).toContain("base");
    expect(NEVER[entry].filter((name) => names.includes(name))).toEqual([]);
  });

  // A folder like the repository's, so that what the examples write goes with it.
  const place = join(dir, "place");
  mkdirSync(join(place, "runs"), { recursive: true });
  for (const name of ["README.md", "THIRD_PARTY.md", "docs", "models", "recipes"])
    symlinkSync(join(ROOT, name), join(place, name));
  const page = readText("docs/library.md");
  const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1]);

  it("has an example for each entry of the package", () => {
    const { exports } = JSON.parse(readText("package.json")) as { exports: object };
    expect(Object.keys(exports).toSorted()).toEqual(entries.toSorted());
    const shown = examples.flatMap((example) => /from "shoal(\/\w+)"/.exec(example)?.[1] ?? []);
    expect([...new Set(shown)].map((name) => `.${name}`).toSorted()).toEqual(
      entries.filter((entry) => entry !== ".").toSorted(),
    );
  });

  it.each(examples.map((example) => [/import (.*) from/.exec(example)![1], example]))("run as shown: %s", (_, code) => {
    const file = join(dir, "example.ts");
    const here = (_: string, name: string) => `from "${pathToFileURL(join(ROOT, `src/${name}.ts`)).href}"`;
    writeFileSync(file, code.replace(/from "shoal\/(\w+)"/g, here));
    const { status, stderr, stdout } = spawnSync(process.execPath, [file], { cwd: place, encoding: "utf8" });
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toBe("");
  });
});
