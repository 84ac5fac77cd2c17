/** Shoal as a library: what `import … from "shoal"` gives. */
import { describe, expect, it } from "vitest";
import * as shoal from "../src/index.ts";

describe("the library", () => {
  it("exports what the README promises, and nothing by accident", () => {
    expect(Object.keys(shoal).sort()).toEqual([
      "Chat",
      "EngineError",
      "InputError",
      "Tokenizer",
      "applyChatTemplate",
      "availableIsas",
      "configToJson",
      "countDeepseek",
      "countParameters",
      "createEngine",
      "createKernels",
      "encodeChat",
      "findHardware",
      "generate",
      "loadModel",
      "loadRecipe",
      "loadTokenizer",
      "modelCard",
      "openFolder",
      "openSafetensors",
      "parseConfig",
      "parseRecipe",
      "planBudget",
      "planServing",
      "planTraining",
      "readDocuments",
      "readRun",
      "reportPage",
      "sample",
      "saveTokenizer",
      "score",
      "tokenise",
      "train",
      "trainBpe",
      "trainingFlops",
      "watchRun",
      "writeFolder",
      "writeSafetensors",
    ]);
  });
});
