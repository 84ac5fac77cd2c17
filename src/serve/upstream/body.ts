/** Requests as an OpenAI-compatible server takes them. What a request does not say is left to the server's own defaults. */
import type {
  ChatRequest,
  CompletionRequest,
  EngineMessage,
  GenerationSettings,
  ResponseFormat,
} from "../../infer/index.ts";

/** JSON leaves out what is undefined. */
function sampling(request: GenerationSettings): object {
  return {
    ...request.upstream,
    stream: true,
    stream_options: { include_usage: true },
    // Named anew by OpenAI, which takes either, but not both.
    ...(request.upstream?.max_completion_tokens === undefined && { max_tokens: request.maxTokens }),
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    min_p: request.minP,
    repetition_penalty: request.repetitionPenalty,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    logit_bias: request.logitBias,
    seed: request.seed,
    stop: request.stop,
    ignore_eos: request.ignoreEos,
    response_format: formatOf(request.responseFormat),
  };
}

function formatOf(format: ResponseFormat | undefined): object | undefined {
  if (format?.type !== "json_schema") return format;
  const { name = "answer", description, schema, strict = true } = format;
  return { type: "json_schema", json_schema: { name, description, schema, strict } };
}

export function chatBody(request: ChatRequest, host: string): object {
  const { messages, continueFinal, toolChoice, topLogprobs } = request;
  return {
    model: request.model,
    messages: messages.map((one, i) => message(one, continueFinal === true && i === messages.length - 1)),
    ...sampling(request),
    ...(topLogprobs !== undefined && { logprobs: true, top_logprobs: topLogprobs }),
    tools: request.tools?.map(({ name, description, parameters, strict }) => ({
      type: "function",
      function: { name, description, parameters, strict },
    })),
    tool_choice:
      typeof toolChoice === "object" ? { type: "function", function: { name: toolChoice.name } } : toolChoice,
    parallel_tool_calls: request.parallelToolCalls,
    ...thinking(request, host),
    // vLLM and SGLang; llama.cpp continues a last assistant's message by itself.
    ...(continueFinal && { continue_final_message: true, add_generation_prompt: false }),
  };
}

/** Servers that refuse fields which are not OpenAI's. */
const STRICT = /(^|\.)(openai\.com|azure\.com|mistral\.ai|groq\.com|googleapis\.com|anthropic\.com|x\.ai)$/;

/** Each family of servers has a switch of its own. What the request was sent with goes along as it stands, before what stands for it elsewhere. */
function thinking({ reasoning, reasoningEffort: effort, upstream = {} }: ChatRequest, host: string): object {
  const sent = { reasoning_effort: effort };
  if (reasoning === undefined || upstream.thinking || upstream.chat_template_kwargs || STRICT.test(host)) return sent;
  if (/(^|\.)deepseek\.com$/.test(host)) return { ...sent, thinking: { type: reasoning ? "enabled" : "disabled" } };
  return { ...sent, chat_template_kwargs: { thinking: reasoning, enable_thinking: reasoning } };
}

function message({ role, content, name, reasoning, toolCalls, toolCallId }: EngineMessage, continued: boolean): object {
  return {
    role,
    content,
    name,
    reasoning_content: reasoning,
    tool_call_id: toolCallId,
    tool_calls: toolCalls?.map(({ id, name, arguments: args }) => ({
      id,
      type: "function",
      function: { name, arguments: args },
    })),
    // DeepSeek's prefix completion.
    ...(continued && { prefix: true }),
  };
}

export function completionBody(request: CompletionRequest): object {
  return {
    model: request.model,
    prompt: request.prompt,
    ...sampling(request),
    logprobs: request.topLogprobs,
    echo: request.echo,
  };
}
