/** Shoal as a library. */

export { InputError } from "./base/index.ts";
export { openFolder, openSafetensors, writeFolder, writeSafetensors } from "./checkpoint/index.ts";
export { checkTask, generateTask, readDocuments, tokenise, unseenTasks } from "./data/index.ts";
export {
  Chat,
  type ChatRequest,
  type CompletionRequest,
  createEngine,
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type GenerateOptions,
  type Generation,
  generate,
  type LocalModel,
  loadModel,
  type Model,
  score,
} from "./infer/index.ts";
export { configToJson, countParameters, type ModelConfig, parseConfig } from "./model/index.ts";
export { countDeepseek, findHardware, planBudget, planServing, planTraining, trainingFlops } from "./plan/index.ts";
export { type Figures, modelCard, type Prices, type RunView, readRun, reportPage, watchRun } from "./report/index.ts";
export {
  createServer,
  createUpstream,
  joinEngines,
  openStore,
  type ServerOptions,
  type Store,
  serve,
} from "./serve/index.ts";
export { availableIsas, createKernels, type Isa, type Kernels } from "./tensor/index.ts";
export {
  applyChatTemplate,
  type ChatMessage,
  encodeChat,
  loadTokenizer,
  saveTokenizer,
  Tokenizer,
  trainBpe,
} from "./text/index.ts";
export { loadRecipe, parseRecipe, type Recipe, train } from "./train/index.ts";
