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
  type UpstreamFields,
  type UpstreamState,
  type Usage,
} from "./engine.ts";
export { type GeneratedText, type GenerateOptions, type Generation, generate, wholeOf } from "./generate.ts";
export type { EngineOptions, LocalModel } from "./local-models.ts";
export { type LoadOptions, loadModel, type Model, modelOf } from "./model.ts";
export { type GenerationConfig, parseGenerationConfig, readGenerationConfig } from "./sampling/generation-config.ts";
export { SAMPLING_BOUNDS, SAMPLING_LIMITS, type SamplingDefaults, type SamplingParams } from "./sampling/params.ts";
export type { Sampler } from "./sampling/sampler.ts";
export type { ThreadChoice } from "./scheduling/thread-choice.ts";
export { type Score, score } from "./score.ts";
