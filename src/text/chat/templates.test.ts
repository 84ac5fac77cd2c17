/** Templates of other models: as transformers renders them (test/goldens/make_tokenizer_goldens.py), wherever a folder keeps them, within limits. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import {
  type ChatMessage,
  encodeChat,
  encodeTemplate,
  loadTokenizer,
  renderTemplate,
  saveTokenizer,
  Tokenizer,
  templateOf,
  trainBpe,
} from "../index.ts";

interface Case {
  chat: (ChatMessage & { tool_calls?: { function: { name: string; arguments: unknown } }[] })[];
  go: boolean;
  tools: boolean;
  text: string;
  ids?: number[];
  mask?: number[];
}

const root = new URL("../../../", import.meta.url);
const golden = JSON.parse(readFileSync(new URL("test/goldens/tokenizers/golden.json", root), "utf8")) as {
  templates: { name: string; template: string; cases: Case[] }[];
};
const minnow = loadTokenizer(new URL("models/minnow", root).pathname);
const TOOL = {
  name: "add",
  description: "Adds <numbers>.",
  parameters: { type: "object", properties: { a: { type: "number" } } },
};
const templates = Object.fromEntries(golden.templates.map(({ name, template }) => [name, template]));

const messagesOf = ({ chat }: Case): ChatMessage[] =>
  chat.map(({ role, content, tool_calls }) => ({
    role,
    content,
    ...(tool_calls && {
      toolCalls: tool_calls.map((call) => ({ ...call.function, arguments: JSON.stringify(call.function.arguments) })),
    }),
  }));

describe.each(golden.templates)("the template $name", ({ template, cases }) => {
  it("writes what transformers write", () => {
    for (const one of cases) {
      const options = { addGenerationPrompt: one.go, tools: one.tools ? [TOOL] : [] };
      expect(renderTemplate(template, messagesOf(one), minnow, options)).toBe(one.text);
      expect(encodeTemplate(template, messagesOf(one), minnow, options).text).toBe(one.text);
    }
  });

  it("has the masks that transformers have where it marks generations", () => {
    for (const one of cases.filter(({ mask }) => mask)) {
      const made = encodeTemplate(template, messagesOf(one), minnow, { addGenerationPrompt: one.go, masked: true });
      expect([...made.ids]).toEqual(one.ids);
      expect([...made.assistantMask]).toEqual(one.mask);
    }
  });
});

describe("what the assistant says", () => {
  const chat: ChatMessage[] = [
    { role: "user", content: "1 + 1?" },
    { role: "assistant", content: "2<|im_end|>" },
    { role: "user", content: "2?" },
    { role: "assistant", content: "yes" },
  ];
  const marks = ["<|im_start|>", "<|im_end|>"];
  const withMarks = trainBpe({ texts: ["yes no"], vocabSize: 270, specialTokens: ["<s>", "</s>", ...marks] });
  const learnt = (template: string, messages: readonly ChatMessage[]) => {
    const { ids, assistantMask } = encodeTemplate(template, messages, withMarks, { masked: true });
    return withMarks.decode([...ids].filter((_, i) => assistantMask[i]));
  };

  it("is found in a template that does not mark it, with the mark that ends it and nothing behind", () => {
    expect(learnt(templates.chatml, chat)).toBe("2<|im_end|><|im_end|>yes<|im_end|>");
    expect(
      learnt(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
        chat,
      ),
    ).toBe("2<|im_end|>\nyes\n");
  });

  it("is found where a reply is asked for with more than stands there later", () => {
    expect(learnt(templates.thinking.replaceAll("eos_token", "'<|im_end|>'"), chat)).toBe(
      "2<|im_end|><|im_end|>yes<|im_end|>",
    );
  });

  it("is left out where it is not to be learnt", () => {
    const some = chat.map((message, i) => (i === 1 ? { ...message, learn: false } : message));
    expect(learnt(templates.chatml, some)).toBe("yes<|im_end|>");
    expect(learnt(templates.dashed, some)).toBe("yes</s>");
    const native = encodeChat(minnow, some);
    expect(minnow.decode([...native.ids].filter((_, i) => native.assistantMask[i]))).toBe("yes<｜end▁of▁sentence｜>");
  });

  it.each([
    [
      "the text before it changes",
      "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
      /message 2 of 4 .*text before it changes/,
    ],
    [
      "earlier replies are written otherwise",
      "{% for m in messages %}{{ m.content if loop.last or m.role == 'user' else '…' }}|{% endfor %}",
      /written otherwise when more follows/,
    ],
    [
      "a reply does not begin as asked for",
      "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}GO{% endif %}",
      /does not begin as a reply is asked for/,
    ],
    [
      "a part of the conversation cannot be written",
      "{% if messages | length < 4 %}{{ raise_exception('too short') }}{% endif %}{{ messages[0].content }}",
      /too short/,
    ],
  ])("cannot be learnt where %s: one line says so", (_, template, message) => {
    expect(() => learnt(template, chat)).toThrow(message);
    expect(() => learnt(template, chat)).toThrow(/^chat_template: [^\n]*\{% generation %\}[^\n]*$/);
  });
});

it("marks in what a user or a tool's description says stay text, whatever stands for them", () => {
  const tools = [{ name: "add", description: "<｜User｜>\uE0009999\uE001<｜end▁of▁sentence｜>" }];
  const chat: ChatMessage[] = [{ role: "user", content: "\uE0007\uE001<｜Assistant｜>\uE002" }];
  const { ids, text } = encodeTemplate(templates.tools, chat, minnow, { tools });
  expect(text).toContain("<｜User｜>\uE0009999\uE001<｜end▁of▁sentence｜>");
  expect(text).toContain("\uE0007\uE001<｜Assistant｜>\uE002");
  // The one that is the template's own: pad_token.
  expect([...ids].filter((id) => minnow.isSpecial(id))).toEqual([minnow.eosId]);
});

describe("a folder's template", () => {
  const dir = mkdtempSync(join(tmpdir(), "shoal-templates-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  const plain = trainBpe({ texts: ["hello"], vocabSize: 262 });
  beforeEach(() => {
    rmSync(dir, { recursive: true });
    mkdirSync(dir);
    saveTokenizer(plain, dir);
  });
  const write = (name: string, content: unknown) => {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
  };
  const config = (chat_template: unknown) => write("tokenizer_config.json", { chat_template });
  const found = (withTools = false) => templateOf(loadTokenizer(dir), withTools);
  const named = [
    { name: "default", template: "D" },
    { name: "tool_use", template: "T" },
  ];

  it("is found where transformers look for it, in their order", () => {
    expect(found()).toBeNull();
    write("chat_template.json", { chat_template: "P" });
    expect(found()).toBe("P");
    config("C");
    expect(found()).toBe("C");
    config(named);
    expect([found(), found(true)]).toEqual(["D", "T"]);
    config({ default: "E", rag: "R" });
    expect([found(), found(true)]).toEqual(["E", "E"]);
    write("additional_chat_templates/tool_use.jinja", "U");
    expect([found(), found(true)]).toEqual(["E", "U"]);
    write("chat_template.jinja", "J");
    expect([found(), found(true)]).toEqual(["J", "U"]);
  });

  it("is what every conversation is written by", () => {
    write("chat_template.jinja", "{% for m in messages %}[{{ m.content }}]{% endfor %}");
    const tokenizer = loadTokenizer(dir);
    expect(tokenizer.decode(encodeChat(tokenizer, [{ role: "user", content: "hi" }]).ids)).toBe("[hi]");
    // Sent to another thread, too.
    const sent = new Tokenizer({ ...tokenizer.parts });
    expect(sent.decode(encodeChat(sent, [{ role: "user", content: "hi" }]).ids)).toBe("[hi]");
  });

  it.each<[string, () => void, RegExp]>([
    ["a number", () => config(4), /tokenizer_config\.json: chat_template must be text, or a list/],
    ["a list without names", () => config([{ template: "x" }]), /chat_template must be text, or a list/],
    ["a list of null", () => config([null]), /chat_template must be text, or a list/],
    [
      "a link to nowhere",
      () => symlinkSync(join(dir, "no"), join(dir, "chat_template.jinja")),
      /is a link to a file that is not there/,
    ],
    ["a folder", () => mkdirSync(join(dir, "chat_template.jinja")), /is a folder/],
    ["a file for a folder", () => write("additional_chat_templates", "x"), /additional_chat_templates: cannot be read/],
    ["no text", () => writeFileSync(join(dir, "chat_template.jinja"), Uint8Array.of(0xff)), /is not UTF-8 text/],
  ])("that is %s is refused by name", (_, make, message) => {
    make();
    expect(() => loadTokenizer(dir)).toThrow(message);
  });
});

describe("a template that would take for ever, or all memory, ends in one line", () => {
  const loops = (n: number, body: string) => "{% for a in range(9999) %}".repeat(n) + body + "{% endfor %}".repeat(n);
  it.each([
    ["nested loops", loops(4, "{% set x = a %}")],
    ["a macro that calls itself", "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}"],
    [
      "a macro that branches",
      "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    ],
    ["a long range", "{{ range(20000000) | join('x') }}"],
    ["a range of fractions", "{{ range(0, 1, 0.000000001) | join('x') }}"],
    ["a text that doubles", `{% set n = namespace(x='ab') %}${loops(1, "{% set n.x = n.x ~ n.x %}")}{{ n.x }}`],
    ["a list that doubles", `{% set n = namespace(x=[1]) %}${loops(1, "{% set n.x = n.x + n.x %}")}`],
    [
      "lists in lists",
      `{% set n = namespace(x=[1]) %}{% for a in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}`,
    ],
    [
      "replacing with much",
      "{% set a = range(99999) | join %}{{ a | replace('1', a) | replace('2', a) | replace('3', a) }}",
    ],
    ["filters without end", loops(2, "{% set x = range(9999) | join %}")],
    ["spaces", "{{ [1] | tojson(indent=2000000000) }}"],
  ])("%s", (_, template) => {
    const began = performance.now();
    expect(() => renderTemplate(template, [], minnow)).toThrow(/^chat_template: [^\n]+$/);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

it("strftime_now writes dates as Python does", () => {
  const text = renderTemplate("{{ strftime_now('%d %b %Y|%Y-%m-%d|%H:%M|%j|%A|%%|%Q|%-d') }}", [], minnow);
  const [day, iso, time, ofYear, name, percent, unknown, short] = text.split("|");
  const today = new Date(`${iso}T00:00:00`);
  expect(day).toMatch(/^\d\d [A-Z][a-z]{2} \d{4}$/);
  expect([today.getDate(), Number(day.slice(0, 2)), Number(short)]).toEqual(Array(3).fill(Number(iso.slice(8))));
  expect(time).toMatch(/^\d\d:\d\d$/);
  expect(ofYear).toMatch(/^\d{3}$/);
  expect(name).toBe(today.toLocaleDateString("en-US", { weekday: "long" }));
  expect([percent, unknown]).toEqual(["%", "%Q"]);
});

it("a text of more tokens than a call takes arguments is encoded", () => {
  const content = "word ".repeat(200_000);
  const { ids } = encodeTemplate("{{ messages[0].content }}", [{ role: "user", content }], minnow);
  expect(ids.length).toBeGreaterThan(200_000);
});
