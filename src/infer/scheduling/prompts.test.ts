import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { encodeChat, loadTokenizer } from "../../text/index.ts";
import { createEngine } from "../create-engine.ts";
import type { Engine, EngineEvent } from "../engine.ts";
import { MINNOW } from "../testing/ask.ts";
import { Prompts, sizeOf } from "./prompts.ts";

const root = mkdtempSync(join(tmpdir(), "shoal-prompts-"));
const engines: Engine[] = [];
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  rmSync(root, { recursive: true });
});

/** Minnow with a template of another's. */
function folder(name: string, template: string): string {
  const dir = join(root, name);
  cpSync(join(MINNOW, "tokenizer_config.json"), join(dir, "tokenizer_config.json"), { recursive: true });
  for (const file of readdirSync(MINNOW))
    if (/\.(json|safetensors)$/.test(file) && file !== "tokenizer_config.json")
      symlinkSync(join(MINNOW, file), join(dir, file));
  writeFileSync(join(dir, "chat_template.jinja"), template);
  return dir;
}

const good = "{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}<｜Assistant｜>";
// Slow for what one client says only.
const slow = `{% if 'slow' in messages[0].content %}${"{% for a in range(9999) %}".repeat(4)}.${"{% endfor %}".repeat(4)}{% endif %}${good}`;
const ask = (content: string) => [{ role: "user" as const, content }];

async function read(events: AsyncIterable<EngineEvent>): Promise<EngineEvent[]> {
  const out: EngineEvent[] = [];
  for await (const event of events) out.push(event);
  return out;
}

it("a model's own template is run in another thread, and gives the same prompt", async () => {
  const dir = folder("good", good);
  const tokenizer = loadTokenizer(dir);
  const prompts = new Prompts(dir, tokenizer);
  expect(prompts.takes("chat", 1)).toBe(true);
  expect(prompts.takes("text", 1)).toBe(false);
  const [chat, text] = await Promise.all([
    prompts.make({ messages: ask("hi"), options: {} }),
    prompts.make({ text: "Once upon" }),
  ]);
  expect([...chat.ids]).toEqual([...encodeChat(tokenizer, ask("hi")).ids]);
  expect(chat.text).toBe("<｜User｜>hi<｜Assistant｜>");
  expect([...text.ids]).toEqual([...tokenizer.encode("Once upon", { addBos: true })]);
  const unwanted = prompts.make({ messages: ask("hi"), options: {} }, () => false);
  await expect(unwanted).rejects.toThrow(/no longer wanted/);
  await prompts.close();
});

it("of DeepSeek's template only long texts are", () => {
  const prompts = new Prompts(MINNOW, loadTokenizer(MINNOW));
  expect([prompts.takes("chat", 1000), prompts.takes("chat", 100_000), prompts.takes("text", 100_000)]).toEqual([
    false,
    true,
    true,
  ]);
});

it("what calls and tools say counts as what is said does", () => {
  const long = "word ".repeat(20_000);
  const call = { name: "f", arguments: JSON.stringify({ a: long }) };
  expect(sizeOf(ask("hi"))).toBe(2);
  expect(sizeOf([...ask("hi"), { role: "assistant", content: "", toolCalls: [call] }])).toBeGreaterThan(long.length);
  expect(sizeOf(ask("hi"), [{ name: "f", description: long }])).toBeGreaterThan(long.length);
});

it("a template that takes for ever ends one request, and nobody else waits for it", async () => {
  const engine = await createEngine({
    models: [
      { id: "slow", dir: folder("slow", slow) },
      { id: "minnow", dir: MINNOW },
    ],
  });
  engines.push(engine);
  const settings = { maxTokens: 4, temperature: 0 };
  const leaving = new AbortController();
  let failed = false;
  const hanging = read(engine.chat({ model: "slow", ...settings, messages: ask("slow") })).catch((error: Error) => {
    failed = true;
    return error;
  });
  const left = read(engine.chat({ model: "slow", ...settings, messages: ask("fine") }, leaving.signal));
  const other = await read(engine.chat({ model: "minnow", ...settings, messages: ask("hello") }));
  expect(other.at(-1)).toMatchObject({ type: "end", usage: { completionTokens: 4 } });
  // Whoever waits behind it may leave.
  leaving.abort();
  expect((await left).at(-1)).toMatchObject({ type: "end", finishReason: "abort" });
  expect(failed).toBe(false);
  const error = (await hanging) as Error;
  expect(error.message).toMatch(/^messages: chat_template: takes longer than 2 s[^\n]*$/);
  // The next is answered.
  const next = await read(engine.chat({ model: "slow", ...settings, messages: ask("fine") }));
  expect(next.at(-1)).toMatchObject({ type: "end", usage: { promptTokens: 4 } });
  // What is wrong with a request is told all the same.
  await expect(read(engine.chat({ model: "slow", ...settings, messages: ask("a ".repeat(5000)) }))).rejects.toThrow(
    /leaves no room/,
  );
  await expect(read(engine.chat({ model: "slow", ...settings, messages: [] }))).rejects.toThrow(/give at least one/);
});
