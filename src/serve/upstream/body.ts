/** Requests as an OpenAI-compatible server takes them. What a request does not say is left to the server's own defaults. */
import type { ChatRequest, CompletionRequest, EngineMessage, GenerationSettings } from "../../infer/index.ts";

/** JSON leaves out what is undefined. */
function sampling(request: GenerationSettings): object {
  const { responseFormat } = request;
  const schema = responseFormat?.type === "json_schema" ? responseFormat.schema : null;
  return {
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: request.maxTokens,
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
    response_format: schema
      ? { type: "json_schema", json_schema: { name: "answer", schema, strict: true } }
      : responseFormat,
  };
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
    ...thinking(request.reasoning, host),
    // vLLM and SGLang; llama.cpp continues a last assistant's message by itself.
    ...(continueFinal && { continue_final_message: true, add_generation_prompt: false }),
  };
}

/** Each family of servers has a switch of its own. */
function thinking(reasoning: boolean | undefined, host: string): object {
  if (reasoning === undefined) return {};
  if (/(^|\.)deepseek\.com$/.test(host)) return { thinking: { type: reasoning ? "enabled" : "disabled" } };
  return { chat_template_kwargs: { thinking: reasoning, enable_thinking: reasoning } };
}

function message({ role, content, reasoning, toolCalls, toolCallId }: EngineMessage, continued: boolean): object {
  return {
    role,
    content,
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
