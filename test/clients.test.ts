/** The clients that people use, from npm and unchanged, against a running server with Minnow. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { APICallError, generateText, jsonSchema, Output, streamText, tool } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { startServing } from "./serving.ts";
import { temporaryFolder } from "./tiny.ts";

const { url } = await startServing(["--data-dir", temporaryFolder()]);
const model = "minnow";
const messages = [{ role: "user" as const, content: "Tell me a story about a fox." }];

/** Enumerations and bounds, so that a model that makes little sense makes it quickly. */
const schema = {
  type: "object",
  properties: {
    name: { enum: ["Ada", "Bo"] },
    age: { type: "integer", minimum: 1, maximum: 99 },
    happy: { type: "boolean" },
  },
  required: ["name", "age", "happy"],
  additionalProperties: false,
} as const;

function expectPerson(value: unknown): void {
  expect(value).toEqual({
    name: expect.stringMatching(/^(Ada|Bo)$/),
    age: expect.any(Number),
    happy: expect.any(Boolean),
  });
}

/** Requests that the engine has in hand. */
async function running(): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/vllm:num_requests_running\{[^}]*\} (\d+)/.exec(text)![1]);
}

describe("openai", () => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

  it("lists models", async () => {
    const ids = (await client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual([model]);
    expect(await client.models.retrieve(model)).toMatchObject({ id: model, object: "model" });
  });

  it("chats, streamed or not, the same with the same seed", async () => {
    const ask = { model, messages, seed: 4, max_tokens: 12, temperature: 0.8 };
    const whole = await client.chat.completions.create(ask);
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage;
    }
    expect(text.length).toBeGreaterThan(0);
    expect(text).toBe(whole.choices[0].message.content);
    expect(usage).toMatchObject({
      prompt_tokens: whole.usage!.prompt_tokens,
      completion_tokens: whole.usage!.completion_tokens,
    });
    // A prompt that was read before, asked without a seed: all but its last token was in the cache.
    const { usage: again } = await client.chat.completions.create({ ...ask, seed: null });
    expect(again!.prompt_tokens_details!.cached_tokens).toBeGreaterThan(0);
  });

  it("gathers a stream with its own helper", async () => {
    const runner = client.chat.completions.stream({ model, messages, max_tokens: 8 });
    expect((await runner.finalChatCompletion()).choices[0].finish_reason).toMatch(/stop|length/);
  });

  it("gets several answers, and log probabilities", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages,
      n: 2,
      max_tokens: 4,
      logprobs: true,
      top_logprobs: 3,
    });
    expect(answer.choices).toHaveLength(2);
    for (const { logprobs } of answer.choices) {
      for (const { token, logprob, top_logprobs } of logprobs!.content!) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(top_logprobs).toHaveLength(3);
        expect(
          top_logprobs.every((rival) => rival.logprob <= top_logprobs[0].logprob),
          token,
        ).toBe(true);
      }
    }
  });

  it("gets JSON by a schema", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages,
      response_format: { type: "json_schema", json_schema: { name: "person", schema, strict: true } },
    });
    expect(answer.choices[0].finish_reason).toBe("stop");
    expectPerson(JSON.parse(answer.choices[0].message.content!));
  });

  const tools = [
    {
      type: "function" as const,
      function: { name: "meet", description: "Meet somebody", parameters: schema, strict: true },
    },
  ];

  it("calls a tool, streamed or not", async () => {
    const ask = { model, messages, tools, tool_choice: "required" as const };
    const answer = await client.chat.completions.create(ask);
    expect(answer.choices[0].finish_reason).toBe("tool_calls");
    const [call] = answer.choices[0].message.tool_calls!;
    if (call.type !== "function") expect.fail("not a function");
    expect(call.function.name).toBe("meet");
    expectPerson(JSON.parse(call.function.arguments));
    const final = await client.chat.completions.stream(ask).finalChatCompletion();
    const [streamed] = final.choices[0].message.tool_calls!;
    if (streamed.type !== "function") expect.fail("not a function");
    expectPerson(JSON.parse(streamed.function.arguments));
    const answered = await client.chat.completions.create({
      model,
      tools,
      max_tokens: 5,
      messages: [...messages, answer.choices[0].message, { role: "tool", tool_call_id: call.id, content: "done" }],
    });
    expect(answered.choices[0].message.role).toBe("assistant");
  });

  it("continues and scores texts", async () => {
    const answer = await client.completions.create({
      model,
      prompt: "Once upon a time",
      max_tokens: 3,
      echo: true,
      logprobs: 2,
    });
    expect(answer.choices[0].text).toMatch(/^Once upon a time/);
    const { tokens, token_logprobs, text_offset } = answer.choices[0].logprobs!;
    expect(tokens!.join("")).toBe(answer.choices[0].text);
    expect(token_logprobs!.every((value) => value! < 0)).toBe(true);
    expect(text_offset!.at(-1)).toBe(answer.choices[0].text.length - tokens!.at(-1)!.length);
  });

  it("uses the responses API", async () => {
    const answer = await client.responses.create({
      model,
      input: "Hello",
      max_output_tokens: 16,
      text: { format: { type: "json_schema", name: "person", schema, strict: true } },
    });
    expect(answer.object).toBe("response");
    let text = "";
    const stream = client.responses.stream({ model, input: "Hello", max_output_tokens: 6 });
    stream.on("response.output_text.delta", ({ delta }) => {
      text += delta;
    });
    expect((await stream.finalResponse()).output_text).toBe(text);
  });

  it("tells errors by their class", async () => {
    const wrong = client.chat.completions.create({ model, messages, temperature: 9 });
    await expect(wrong).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(wrong).rejects.toMatchObject({ status: 400, param: "temperature", code: "invalid_value" });
    await expect(client.chat.completions.create({ model: "gpt-9", messages })).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    const long = [{ role: "user" as const, content: "word ".repeat(3000) }];
    for (const stream of [false, true])
      await expect(client.chat.completions.create({ model, messages: long, stream })).rejects.toMatchObject({
        code: "context_length_exceeded",
      });
  });

  it("aborts, and the engine is free again", async () => {
    const controller = new AbortController();
    const stream = await client.chat.completions.create(
      { model, messages, stream: true, max_tokens: 900, ...({ ignore_eos: true } as object) },
      { signal: controller.signal },
    );
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) controller.abort();
    }
    await expect.poll(running).toBe(0);
  });
});

describe("ai, with @ai-sdk/openai-compatible", () => {
  const minnow = createOpenAICompatible({
    name: "shoal",
    baseURL: `${url}/v1`,
    supportsStructuredOutputs: true,
    includeUsage: true,
  })(model);
  const prompt = messages[0].content;

  it("chats, streamed or not", async () => {
    const whole = await generateText({ model: minnow, prompt, maxOutputTokens: 8, seed: 2 });
    const stream = streamText({ model: minnow, prompt, maxOutputTokens: 8, seed: 2 });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    expect(text).toBe(whole.text);
    expect((await stream.usage).outputTokens).toBe(whole.usage.outputTokens);
    expect(await stream.finishReason).toBe(whole.finishReason);
  });

  it("gets an object by a schema", async () => {
    const { output } = await generateText({
      model: minnow,
      prompt,
      output: Output.object({ schema: jsonSchema(schema as never) }),
    });
    expectPerson(output);
  });

  it("calls a tool", async () => {
    const met: unknown[] = [];
    const meet = tool({
      description: "Meet somebody",
      inputSchema: jsonSchema(schema as never),
      execute: async (input) => {
        met.push(input);
        return "done";
      },
    });
    const { toolCalls } = await generateText({ model: minnow, prompt, tools: { meet }, toolChoice: "required" });
    expect(toolCalls[0].toolName).toBe("meet");
    expectPerson(met[0]);
  });

  it("tells errors, and aborts", async () => {
    const unknown = createOpenAICompatible({ name: "shoal", baseURL: `${url}/v1` })("gpt-9");
    const failure = await generateText({ model: unknown, prompt, maxRetries: 0 }).catch((error: unknown) => error);
    expect(APICallError.isInstance(failure) && failure.statusCode).toBe(404);
    expect((failure as Error).message).toMatch(/there is no model 'gpt-9'/);
    const controller = new AbortController();
    const stream = streamText({
      model: minnow,
      prompt,
      maxOutputTokens: 900,
      temperature: 2,
      abortSignal: controller.signal,
      onError: () => {},
    });
    for await (const _ of stream.textStream) controller.abort();
    await expect.poll(running).toBe(0);
  });
});

describe("@langchain/openai", () => {
  const settings = { model, apiKey: "none", maxRetries: 0, configuration: { baseURL: `${url}/v1` } };
  const chat = new ChatOpenAI({ ...settings, maxTokens: 8 });

  it("chats, streamed or not, with log probabilities", async () => {
    const answer = await chat.invoke("Tell me a story.", { logprobs: true } as object);
    expect(typeof answer.content).toBe("string");
    expect(answer.usage_metadata!.output_tokens).toBeGreaterThan(0);
    let pieces = "";
    for await (const piece of await chat.stream("Tell me a story.")) pieces += piece.content;
    expect(pieces.length).toBeGreaterThan(0);
    const sure = new ChatOpenAI({ ...settings, maxTokens: 3, logprobs: true, topLogprobs: 2 });
    const { logprobs } = (await sure.invoke("Hi")).response_metadata as {
      logprobs: { content: { top_logprobs: unknown[] }[] };
    };
    expect(logprobs.content[0].top_logprobs).toHaveLength(2);
  });

  it("gets an object by a schema", async () => {
    const structured = new ChatOpenAI(settings).withStructuredOutput({ title: "person", ...schema } as never, {
      method: "jsonSchema",
      strict: true,
    });
    expectPerson(await structured.invoke("Who is there?"));
  });

  it("calls a tool", async () => {
    const meet = langchainTool(() => "done", { name: "meet", description: "Meet somebody", schema: schema as never });
    const answer = await new ChatOpenAI(settings)
      .bindTools([meet], { tool_choice: "meet", strict: true })
      .invoke("Who is there?");
    expect(answer.tool_calls![0].name).toBe("meet");
    expectPerson(answer.tool_calls![0].args);
  });

  it("tells errors, and aborts", async () => {
    await expect(new ChatOpenAI({ ...settings, model: "gpt-9" }).invoke("Hi")).rejects.toThrow(
      /there is no model 'gpt-9'/,
    );
    const controller = new AbortController();
    const long = new ChatOpenAI({ ...settings, maxTokens: 900, temperature: 2 });
    const read = async () => {
      for await (const _ of await long.stream("Tell me a story.", { signal: controller.signal })) controller.abort();
    };
    await expect(read()).rejects.toThrow();
    await expect.poll(running).toBe(0);
  });
});

describe("ollama", () => {
  const ollama = new Ollama({ host: url });
  const options = { num_predict: 8, seed: 3 };

  it("lists and shows models", async () => {
    expect((await ollama.list()).models.map(({ name }) => name)).toEqual([model]);
    expect((await ollama.show({ model })).details.parameter_size).toMatch(/M$/);
    expect((await ollama.version()).version).toMatch(/^\d/);
  });

  it("chats and generates, streamed or not", async () => {
    const whole = await ollama.chat({ model, messages, options });
    let text = "";
    for await (const piece of await ollama.chat({ model, messages, options, stream: true }))
      text += piece.message.content;
    expect(text).toBe(whole.message.content);
    expect(whole.eval_count).toBeGreaterThan(0);
    const generated = await ollama.generate({ model, prompt: messages[0].content, options });
    expect(generated.response).toBe(text);
    let raw = "";
    for await (const piece of await ollama.generate({
      model,
      prompt: "Once upon a time",
      raw: true,
      options,
      stream: true,
    }))
      raw += piece.response;
    expect(raw.length).toBeGreaterThan(0);
  });

  it("gets JSON by a schema, and log probabilities", async () => {
    expectPerson(JSON.parse((await ollama.chat({ model, messages, format: schema })).message.content));
    const sure = await ollama.chat({ model, messages, options, logprobs: true, top_logprobs: 2 });
    expect(sure.logprobs![0].top_logprobs).toHaveLength(2);
  });

  it("tells errors, and aborts", async () => {
    await expect(ollama.chat({ model: "llama9", messages })).rejects.toMatchObject({
      status_code: 404,
      message: /there is no model 'llama9'/,
    });
    // Hot, so that the story does not end before it is aborted.
    const stream = await ollama.chat({ model, messages, options: { num_predict: 900, temperature: 2 }, stream: true });
    const read = async () => {
      for await (const _ of stream) ollama.abort();
    };
    await expect(read()).rejects.toThrow(/abort/i);
    await expect.poll(running).toBe(0);
  });
});
