/** Inference: loading a model, generating, chatting, scoring; and the engine that answers many at once. */
export { Chat } from "./chat.ts";
export { createEngine } from "./create-engine.ts";
export {
  type ChatRequest,
  type CompletionRequest,
  type Engine,
  EngineError,
  type EngineErrorKind,
  type EngineEvent,
  type EngineMessage,
  type EngineStats,
  type FinishReason,
  type GenerationSettings,
  type ModelInfo,
  type ResponseFormat,
  type Role,
  type TokenInfo,
  type Tool,
  type ToolCall,
  type Usage,
} from "./engine.ts";
export { type GeneratedToken, type GenerateOptions, type Generation, generate, wholeOf } from "./generate.ts";
export type { EngineOptions, LocalModel } from "./local-models.ts";
export { type LoadOptions, loadModel, type Model } from "./model.ts";
export { StopMatcher } from "./output/stop.ts";
export { type Sampled, Sampler, type SamplingOptions, verify } from "./sampling/sampler.ts";
export { type Score, score } from "./score.ts";
export { Sequence } from "./sequence.ts";
