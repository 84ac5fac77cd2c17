import { afterEach, expect, it, vi } from "vitest";
import { testServer } from "../testing/test-server.ts";

const body = { stream: true, messages: [{ role: "user", content: "Hello" }] };

afterEach(() => void vi.useRealTimers());

it("a stream that has nothing to say yet begins after a while, and says that it is alive", async () => {
  const server = testServer({ pace: 30_000 });
  vi.useFakeTimers();
  const asked = server.send("POST", "/v1/chat/completions", body);
  await vi.advanceTimersByTimeAsync(10_000);
  const answer = await asked;
  expect(answer.status).toBe(200);
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = reader.read();
  await vi.advanceTimersByTimeAsync(15_000);
  expect((await first).value).toBe(": waiting\n\n");
  const second = reader.read();
  await vi.advanceTimersByTimeAsync(15_000);
  expect((await second).value).toMatch(/^data: .*"role":"assistant"/);
  await reader.cancel();
});

it("Ollama's lines are not broken by it", async () => {
  const server = testServer({ pace: 30_000 });
  vi.useFakeTimers();
  const asked = server.send("POST", "/api/chat", { model: "fake", messages: body.messages });
  await vi.advanceTimersByTimeAsync(60_000);
  const reader = (await asked).body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toMatch(/^\{"model":"fake".*\}\n$/);
  await reader.cancel();
});

it("words that come in quick succession are sent together, the first at once", async () => {
  const server = testServer({ pace: 4 });
  const words = Array.from({ length: 60 }, (_, i) => `w${i}`).join(" ");
  const answer = await server.send("POST", "/v1/chat/completions", {
    ...body,
    messages: [{ role: "user", content: words }],
  });
  const pieces: string[] = [];
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) pieces.push(piece);
  const events = pieces.map((piece) => piece.split("data: ").length - 1);
  expect(events.slice(0, 2)).toEqual([1, 1]);
  expect(events.length).toBeLessThan(50);
  const text = [...pieces.join("").matchAll(/"content":"([^"]*)"/g)].map(([, content]) => content).join("");
  expect(text).toBe(`You said: ${words}`);
  expect(pieces.at(-1)).toMatch(/data: \[DONE\]\n\n$/);
});
