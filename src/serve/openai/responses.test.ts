import { describe, expect, it, vi } from "vitest";
import type { ChatRequest } from "../../infer/index.ts";
import { events, testServer } from "../testing/test-server.ts";

const path = "/v1/responses";
const server = testServer();

describe("/v1/responses", () => {
  it("answers a text", async () => {
    const answer = await server.post(path, {
      model: "fake",
      input: "Hello",
      instructions: "Be kind.",
      metadata: { a: "b" },
    });
    expect(answer).toMatchObject({
      id: expect.stringMatching(/^resp_/),
      object: "response",
      status: "completed",
      store: false,
      metadata: { a: "b" },
      output: [
        {
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "You said: Hello", annotations: [] }],
        },
      ],
      usage: { input_tokens: 3, output_tokens: 3, total_tokens: 6, input_tokens_details: { cached_tokens: 1 } },
    });
    expect(server.engine.requests.at(-1)).toMatchObject({
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "Hello" },
      ],
    });
  });

  it("takes items: thoughts and calls belong to the assistant's message", async () => {
    await server.post(path, {
      input: [
        { role: "user", content: [{ type: "input_text", text: "Weather?" }] },
        { type: "reasoning", id: "rs_1", summary: [], content: [{ type: "reasoning_text", text: "look" }] },
        { type: "function_call", id: "fc_1", call_id: "c1", name: "weather", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "rain" },
      ],
    });
    expect(server.engine.requests.at(-1)).toMatchObject({
      messages: [
        { role: "user", content: "Weather?" },
        { role: "assistant", toolCalls: [{ id: "c1", name: "weather", arguments: "{}" }], reasoning: "look" },
        { role: "tool", content: "rain", toolCallId: "c1" },
      ],
    });
  });

  it("enforces a format and gives log probabilities", async () => {
    const answer = await server.post(path, {
      input: "x",
      text: { format: { type: "json_schema", name: "ok", schema: { type: "object" }, strict: true } },
      include: ["message.output_text.logprobs"],
      top_logprobs: 1,
    });
    const [part] = answer.output[0].content;
    expect(JSON.parse(part.text)).toEqual({ ok: true });
    expect(part.logprobs[0]).toMatchObject({ token: '{"ok":', top_logprobs: [{ logprob: -0.25 }] });
  });

  it("says that an answer was cut", async () => {
    const answer = await server.post(path, { input: "x", max_output_tokens: 1 });
    expect(answer).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      output: [{ status: "incomplete" }],
    });
  });

  it("streams thoughts and text as events in order", async () => {
    const body = { input: "Hi", stream: true, reasoning: { effort: "low" } };
    const all = await events(await server.send("POST", path, body));
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, i) => i));
    const types = all.map(({ type }) => type.replace("response.", ""));
    expect(types.filter((type, i) => type !== types[i - 1])).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "content_part.added",
      "reasoning_text.delta",
      "reasoning_text.done",
      "content_part.done",
      "output_item.done",
      "output_item.added",
      "content_part.added",
      "output_text.delta",
      "output_text.done",
      "content_part.done",
      "output_item.done",
      "completed",
    ]);
    const { response } = all.at(-1);
    expect(response.output.map(({ type }: { type: string }) => type)).toEqual(["reasoning", "message"]);
    const deltas = all.filter(({ type }) => type === "response.output_text.delta");
    expect(deltas.map(({ delta }) => delta).join("")).toBe(response.output[1].content[0].text);
    expect(all.find(({ type }) => type === "response.output_item.added").item.content).toEqual([]);
  });

  it("streams a call's arguments", async () => {
    const tools = [{ type: "function", name: "weather", parameters: {}, strict: true }];
    const all = await events(
      await server.send("POST", path, { input: "call", tools, tool_choice: "required", stream: true }),
    );
    const done = all.find(({ type }) => type === "response.function_call_arguments.done");
    expect(done).toMatchObject({ name: "weather", arguments: '{"city":"Paris"}', output_index: 0 });
    expect(all.at(-1).response.output[0]).toMatchObject({
      type: "function_call",
      call_id: "call_1",
      status: "completed",
    });
  });

  it("ends as failed where the engine breaks", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const { send } = testServer({ failAfter: 1 });
    const all = await events(await send("POST", path, { input: "Hi", stream: true }));
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    expect(all.at(-1)).toMatchObject({
      type: "response.failed",
      response: { status: "failed", error: { code: "internal_error" } },
    });
  });

  it.each([
    [{ input: "x", previous_response_id: "resp_1" }, "previous_response_id", /not kept/],
    [{ input: "x", background: true }, "background", /background/],
    [{ input: [] }, "input", /./],
    [{ input: [{ type: "item_reference", id: "x" }] }, "input[0].type", /items here are a message, function_call/],
    [{ input: "x", tools: [{ type: "web_search" }] }, "tools[0].type", /tools are of type "function"/],
    [{ input: "x", nonsense: 1 }, "nonsense", /unknown/],
  ])("refuses %j", async (body, param, message) => {
    const answer = await server.send("POST", path, body);
    expect(answer.status).toBe(400);
    const { error } = (await answer.json()) as { error: { param: string; message: string } };
    if (param) expect(error.param).toBe(param);
    expect(error.message).toMatch(message);
  });
});

describe("what a response echoes", () => {
  it("is what was asked", async () => {
    const answer = await server.post("/v1/responses", {
      ...{ model: "fake", input: "Hi", parallel_tool_calls: false, truncation: "auto", top_logprobs: 3 },
      ...{ user: "ada", metadata: { a: "b" } },
    });
    expect(answer).toMatchObject({ parallel_tool_calls: false, truncation: "auto", user: "ada", metadata: { a: "b" } });
    expect(server.engine.requests.at(-1)).toMatchObject({ parallelToolCalls: false });
    expect(await server.post("/v1/responses", { input: "Hi" })).toMatchObject({ parallel_tool_calls: true });
  });
});

describe("an input that is too long", () => {
  const short = testServer({ context: 20 });
  const say = (role: string, content: string) => ({ role, content });
  const input = [
    say("system", "Be kind."),
    ...Array.from({ length: 20 }, (_, i) => [say("user", `question number ${i}`), say("assistant", "yes")]).flat(),
    say("user", "the last one"),
  ];

  it.each([false, true])("loses its oldest turns where truncation is auto (streamed: %s)", async (stream) => {
    const answer = await short.send("POST", "/v1/responses", { input, truncation: "auto", stream });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("You said: the last one");
    const { messages } = short.engine.requests.at(-1) as ChatRequest;
    expect(messages[0].content).toBe("Be kind.");
    expect(messages[1].role).toBe("user");
    expect(messages.at(-1)!.content).toBe("the last one");
    expect(messages.length).toBeGreaterThan(2);
  });

  it("is refused where it is not, or where the last turn alone is too long", async () => {
    expect((await short.send("POST", "/v1/responses", { input })).status).toBe(400);
    expect((await short.send("POST", "/v1/responses", { input, truncation: "disabled" })).status).toBe(400);
    const long = [...input, say("user", "word ".repeat(20))];
    const answer = await short.send("POST", "/v1/responses", { input: long, truncation: "auto" });
    expect(await answer.json()).toMatchObject({ error: { code: "context_length_exceeded" } });
  });
});
