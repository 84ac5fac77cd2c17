import { describe, expect, it } from "vitest";
import { testServer } from "../testing/test-server.ts";

const server = testServer();
const lines = async (answer: Response) =>
  (await answer.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("Ollama's API", () => {
  it("lists and shows models", async () => {
    expect(await (await server.get("/api/version")).json()).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    expect(await (await server.get("/api/tags")).json()).toMatchObject({
      models: [{ name: "fake", model: "fake", details: { parameter_size: "16.0M", quantization_level: "bf16" } }],
    });
    expect(await server.post("/api/show", { model: "fake:latest" })).toMatchObject({
      capabilities: ["completion", "tools", "thinking"],
      model_info: { "general.parameter_count": 16_000_000 },
    });
  });

  it("streams a chat as lines", async () => {
    const body = { model: "fake", messages: [{ role: "user", content: "Hello" }], think: true, options: { seed: 2 } };
    const answer = await server.send("POST", "/api/chat", body);
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
    const all = await lines(answer);
    expect(all.map(({ message }) => message.content).join("")).toBe("You said: Hello");
    expect(all.map(({ message }) => message.thinking ?? "").join("")).toBe("Let me think.");
    expect(all.at(-1)).toMatchObject({ done: true, done_reason: "stop", prompt_eval_count: 1, eval_count: 6 });
    expect(all.slice(0, -1).every(({ done }) => done === false)).toBe(true);
    expect(server.engine.requests.at(-1)).toMatchObject({ seed: 2, reasoning: true });
  });

  it("takes a body of any content type, as curl sends it", async () => {
    const body = JSON.stringify({ model: "fake", prompt: "Hi", stream: false, options: { num_predict: 2 } });
    const answer = await server.send("POST", "/api/generate", body, {
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(await answer.json()).toMatchObject({
      response: "You said:",
      done: true,
      done_reason: "length",
      eval_count: 2,
    });
  });

  it("continues a raw prompt, and loads a model where there is none", async () => {
    expect(
      await server.post("/api/generate", { model: "fake", prompt: "Once", raw: true, stream: false }),
    ).toMatchObject({
      response: " and then it ended.",
    });
    expect(await server.post("/api/generate", { model: "fake" })).toMatchObject({ response: "", done_reason: "load" });
    expect(await server.post("/api/chat", { model: "fake", messages: [] })).toMatchObject({ done_reason: "load" });
    for (const keep_alive of [0, "0", "0s", "0m"]) {
      expect(await server.post("/api/generate", { model: "fake", keep_alive })).toMatchObject({
        done_reason: "unload",
      });
      expect(await server.post("/api/chat", { model: "fake", keep_alive })).toMatchObject({ done_reason: "unload" });
    }
    for (const keep_alive of [-1, 300, "5m", "0.5s", null])
      expect(await server.post("/api/generate", { model: "fake", keep_alive })).toMatchObject({ done_reason: "load" });
    const ps = await (await server.get("/api/ps")).json();
    expect(ps).toMatchObject({ models: [{ name: "fake", expires_at: expect.any(String) }] });
  });

  it("calls tools, with arguments as objects, and matches their answers by name", async () => {
    const tools = [{ type: "function", function: { name: "weather", parameters: {} } }];
    const ask = { model: "fake", messages: [{ role: "user", content: "call" }], tools };
    const call = [{ function: { name: "weather", arguments: { city: "Paris" } } }];
    const all = await lines(await server.send("POST", "/api/chat", ask));
    expect(all.flatMap(({ message }) => message.tool_calls ?? [])).toEqual(call);
    await server.post("/api/chat", {
      ...ask,
      stream: false,
      messages: [
        ...ask.messages,
        { role: "assistant", content: "", tool_calls: call },
        { role: "tool", content: "rain", tool_name: "weather" },
      ],
    });
    expect(server.engine.requests.at(-1)).toMatchObject({
      messages: [{}, { toolCalls: [{ id: "call_0", arguments: '{"city":"Paris"}' }] }, { toolCallId: "call_0" }],
    });
  });

  it("holds answers to a format, and tells log probabilities", async () => {
    const body = {
      model: "fake",
      prompt: "x",
      stream: false,
      format: { type: "object" },
      logprobs: true,
      top_logprobs: 1,
    };
    const answer = await server.post("/api/generate", body);
    expect(JSON.parse(answer.response)).toEqual({ ok: true });
    expect(answer.logprobs[0]).toMatchObject({ token: '{"ok":', top_logprobs: [{ logprob: -0.25 }] });
    expect(server.engine.requests.at(-1)!.responseFormat).toEqual({ type: "json_schema", schema: { type: "object" } });
  });

  it.each([
    [{ prompt: "x" }, 400, /model/],
    [{ model: "none", prompt: "x" }, 404, /no model 'none'/],
    [{ model: "fake", prompt: "x", images: ["abc"] }, 400, /text alone/],
    [{ model: "fake", prompt: 7 }, 400, /prompt/],
    ["{", 400, /not valid JSON/],
  ])("refuses %j in Ollama's form", async (body, status, message) => {
    const answer = await server.send("POST", "/api/generate", body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({ error: expect.stringMatching(message) });
  });
});
