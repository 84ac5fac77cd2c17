/** Requests as the scheduler takes them: prompts as token ids, parameters with their defaults, how the reply is parted and held to a form. */
import { randomBytes } from "node:crypto";
import { InputError } from "../../base/index.ts";
import {
  type ChatOptions,
  encodeChat,
  type ReplyForm,
  ReplyParser,
  THINK_BEGIN,
  THINK_END,
  type Tokenizer,
  templateOf,
} from "../../text/index.ts";
import {
  type ChatRequest,
  type CompletionRequest,
  EngineError,
  type EngineMessage,
  type ModelInfo,
  type Tool,
} from "../engine.ts";
import type { Forms } from "../grammar/forms.ts";
import type { Model } from "../model.ts";
import { type ResolvedParams, resolveParams } from "../sampling/params.ts";
import type { Prompt } from "./prompts.ts";
import type { Constraint, PreparedRequest } from "./request.ts";

export const TOOL_LIMITS = { tools: 128 };

/** What is asked of a model that is known already. */
type Asked<Request> = Omit<Request, "model">;
type Known = Pick<ModelInfo, "context" | "defaults">;

/** What a model's chat template can do. */
export interface ChatAbility {
  /** A template of the model's own, in Jinja; null: DeepSeek's. */
  template: string | null;
  tools: boolean;
  reasoning: boolean;
}

export function chatAbility(tokenizer: Tokenizer): ChatAbility {
  const template = templateOf(tokenizer);
  if (template === null) return { template, tools: true, reasoning: tokenizer.special.has(THINK_BEGIN) };
  const reasoning = template.includes(THINK_BEGIN) || template.includes(THINK_END);
  return { template, tools: /\btool_calls\b/.test(templateOf(tokenizer, true) ?? ""), reasoning };
}

/** A conversation as the model's own template writes it: its tokens, and of a template in Jinja the text too. */
export function encodePrompt(tokenizer: Tokenizer, messages: readonly EngineMessage[], options: ChatOptions): Prompt {
  const { ids, text } = encodeChat(tokenizer, messages, options);
  return { ids, text: text ?? "" };
}

/** @throws EngineError "invalid" that names the field */
export function prepareChat(
  model: Model,
  info: Known,
  forms: Forms,
  request: Asked<ChatRequest>,
  made?: Prompt,
): PreparedRequest {
  const { tokenizer } = model;
  const ability = chatAbility(tokenizer);
  const params = resolveParams(request, info.defaults, tokenizer.vocabSize);
  const tools = request.toolChoice === "none" ? [] : (request.tools ?? []);
  checkMessages(request, tools, ability);
  const room: Room = { context: info.context!, params, param: "messages" };
  checkTexts(tokenizer, request, room);
  const { ids, text } =
    made ?? asParam("messages", () => encodePrompt(tokenizer, request.messages, chatOptions(request, tools)));
  checkLength(ids.length, room);
  const begins = beginning(ability, text, request.continueFinal ?? false);
  const parts = tools.length > 0 || begins !== "answer";
  return {
    prompt: ids,
    params,
    echoFrom: null,
    client: request.client ?? "",
    scope: request.scope ?? "",
    parser: parts ? new ReplyParser({ begins, calls: tools.length > 0, onlyCalls: mustCall(request), newId }) : null,
    constraint: constraintOf(forms, request, tools, begins === "reasoning"),
  };
}

const mustCall = ({ toolChoice }: Pick<ChatRequest, "toolChoice">): boolean =>
  typeof toolChoice === "object" || toolChoice === "required";

function chatOptions(request: Asked<ChatRequest>, tools: readonly Tool[]): ChatOptions {
  return {
    addGenerationPrompt: !request.continueFinal,
    continueFinal: request.continueFinal,
    tools: tools.map(({ name, description, parameters }) => ({ name, description, parameters })),
    thinking: request.reasoning,
  };
}

/** Tokens of a conversation's prompt, whether it fits or not. @throws EngineError "invalid" that names the field */
export function promptLength({ tokenizer }: Model, request: Asked<ChatRequest>): number {
  const { messages, options } = promptQuestion(tokenizer, request);
  return asParam("messages", () => encodePrompt(tokenizer, messages, options)).ids.length;
}

/** What makes a conversation's prompt, checked. @throws EngineError "invalid" that names the field */
export function promptQuestion(
  tokenizer: Tokenizer,
  request: Asked<ChatRequest>,
): { messages: readonly EngineMessage[]; options: ChatOptions } {
  const tools = request.toolChoice === "none" ? [] : (request.tools ?? []);
  checkMessages(request, tools, chatAbility(tokenizer));
  return { messages: request.messages, options: chatOptions(request, tools) };
}

function newId(): string {
  return `call_${randomBytes(12).toString("hex")}`;
}

/** What a reply begins with, by the end of the prompt: a template that thinks has opened the reasoning, or closed it already. */
function beginning({ reasoning }: ChatAbility, prompt: string, continued: boolean): ReplyForm["begins"] {
  if (!reasoning || continued) return "answer";
  const end = prompt.trimEnd();
  if (end.endsWith(THINK_BEGIN)) return "reasoning";
  return end.endsWith(THINK_END) ? "answer" : "either";
}

function constraintOf(
  forms: Forms,
  { responseFormat, toolChoice = "auto", parallelToolCalls = true }: Asked<ChatRequest>,
  tools: readonly Tool[],
  afterReasoning: boolean,
): Constraint | null {
  const asked = responseFormat && responseFormat.type !== "text" ? responseFormat : null;
  const one = !parallelToolCalls;
  if (typeof toolChoice === "object" || toolChoice === "required") {
    const chosen = typeof toolChoice === "object" ? tools.filter(({ name }) => name === toolChoice.name) : tools;
    if (chosen.length === 0) {
      const what =
        typeof toolChoice === "object" ? `there is no tool ${JSON.stringify(toolChoice.name)}` : "there are no tools";
      throw new EngineError("invalid", `toolChoice: ${what}`, { param: "toolChoice" });
    }
    return forms.calls({ tools: chosen, one: one || typeof toolChoice === "object" }, afterReasoning);
  }
  if (asked) return forms.format(asked, { tools, one }, afterReasoning);
  return tools.length > 0 ? forms.callsIfAny({ tools, one }) : null;
}

function checkMessages(
  { messages, continueFinal }: Asked<ChatRequest>,
  tools: readonly Tool[],
  ability: ChatAbility,
): void {
  const fail = (param: string, message: string): never => {
    throw new EngineError("invalid", `${param}: ${message}`, { param });
  };
  if (messages.length === 0) fail("messages", "give at least one");
  if (continueFinal && messages.at(-1)!.role !== "assistant")
    fail("messages", "the last must be the assistant's, for it to be continued");
  if (tools.length > 0 && !ability.tools) fail("tools", "this model's chat template knows no tools");
  if (tools.length > TOOL_LIMITS.tools) fail("tools", `at most ${TOOL_LIMITS.tools}`);
  tools.forEach(({ name }, i) => {
    // "function" is what DeepSeek-V3 wrote before every name.
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name) || name === "function")
      fail("tools", `tools[${i}].name: 1 to 64 letters, digits, "_", "-" and ".", and not "function"`);
    if (tools.findIndex((other) => other.name === name) < i)
      fail("tools", `two tools are named ${JSON.stringify(name)}`);
  });
}

/** @throws EngineError "invalid" that names the field */
export function prepareCompletion(
  model: Model,
  info: Known,
  forms: Forms,
  request: Asked<CompletionRequest>,
  made?: Prompt,
): PreparedRequest {
  const { tokenizer, config } = model;
  const params = resolveParams(request, info.defaults, tokenizer.vocabSize);
  const { prompt: given, echo = false, responseFormat } = request;
  const text = typeof given === "string";
  const room: Room = { context: info.context!, params, param: "prompt" };
  checkTexts(tokenizer, request, room);
  const prompt = text ? (made?.ids ?? asParam("prompt", () => tokenizer.encode(given, { addBos: true }))) : given;
  checkLength(prompt.length, room);
  if (prompt.length === 0) throw new EngineError("invalid", "prompt: give at least one token", { param: "prompt" });
  for (let i = 0; i < prompt.length; i++) {
    if (Number.isInteger(prompt[i]) && prompt[i] >= 0 && prompt[i] < config.vocabSize) continue;
    const message = `prompt[${i}]: ${prompt[i]} is not an id of the vocabulary (0 to ${config.vocabSize - 1})`;
    throw new EngineError("invalid", message, { param: "prompt" });
  }
  return {
    prompt,
    params,
    // The mark that begins a text was put in front here: it is not the caller's.
    echoFrom: echo ? (text && tokenizer.bosId !== null ? 1 : 0) : null,
    client: request.client ?? "",
    scope: request.scope ?? "",
    parser: null,
    constraint: responseFormat ? forms.format(responseFormat, { tools: [], one: false }, false) : null,
  };
}

/** What a prompt must fit into. */
interface Room {
  /** Tokens of prompt and answer together. */
  context: number;
  params: ResolvedParams;
  param: string;
}

/** @throws EngineError "context_length" for a prompt that fills the context, or is longer where nothing is to be generated */
function checkLength(tokens: number, { context, params, param }: Room, atLeast = ""): void {
  const most = params.maxTokens > 0 ? context - 1 : context;
  if (tokens <= most) return;
  const message = `the prompt has ${atLeast}${tokens} tokens, which leaves no room in the context of ${context}: shorten it`;
  throw new EngineError("context_length", message, { param });
}

type Texts = Pick<ChatRequest, "messages"> | Pick<CompletionRequest, "prompt">;

/** Characters that a prompt has at least. */
function charactersOf(request: Texts): number {
  if ("messages" in request) return request.messages.reduce((sum, { content }) => sum + content.length, 0);
  return typeof request.prompt === "string" ? request.prompt.length : 0;
}

/** What of `prepareChat` and `prepareCompletion` can be said before there is a prompt. @throws EngineError that names the field */
export function checkBefore({ tokenizer }: Model, info: Known, request: ChatRequest | CompletionRequest): void {
  const params = resolveParams(request, info.defaults, tokenizer.vocabSize);
  checkTexts(tokenizer, request, { context: info.context!, params, param: paramOf(request) });
}

/** The field that a prompt is made of. */
export const paramOf = (request: Texts): string => ("messages" in request ? "messages" : "prompt");

/** Refuses texts that no tokens could hold in so few, before anything is computed: a token has only so many bytes. */
function checkTexts(tokenizer: Tokenizer, request: Texts, room: Room): void {
  // A template of the model's own may leave words out.
  if ("messages" in request && templateOf(tokenizer) !== null) return;
  checkLength(Math.ceil(charactersOf(request) / longestToken(tokenizer)), room, "at least ");
}

const longest = new WeakMap<Tokenizer, number>();

/** Bytes of the longest token; a character has at least one. */
function longestToken(tokenizer: Tokenizer): number {
  const known = longest.get(tokenizer) ?? tokenizer.parts.bytes.reduce((most, { length }) => Math.max(most, length), 1);
  longest.set(tokenizer, known);
  return known;
}

/** An InputError of `work` as an error of the request's field. */
function asParam<T>(param: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw ofParam(param, error);
  }
}

/** An InputError as an error of the request's field; another as it is. */
export function ofParam(param: string, error: unknown): unknown {
  return error instanceof InputError ? new EngineError("invalid", `${param}: ${error.message}`, { param }) : error;
}
