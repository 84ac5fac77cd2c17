import { describe, expect, it } from "vitest";
import { modelInfo } from "../testing/fake-engine.ts";
import type { Message } from "../wire.ts";
import { fenced, History, ownBranch, titleOf } from "./history.ts";

function message(role: "user" | "assistant", content: string, over: Partial<Message> = {}): Message {
  return {
    id: content,
    conversationId: "c",
    parentId: null,
    role,
    content,
    reasoning: null,
    attachments: [],
    createdAt: 0,
    model: role === "assistant" ? "fake" : null,
    status: "done",
    error: null,
    finishReason: null,
    usage: null,
    costUsd: null,
    ...over,
  };
}

const turns = (...contents: string[]) => contents.map((content, i) => message(i % 2 ? "assistant" : "user", content));

describe("a prompt", () => {
  it("has the system prompt first, attachments in fences, and no earlier thoughts", () => {
    const branch = turns("one", "two", "three");
    branch[1].reasoning = "hm";
    branch[2].attachments = [{ name: "a.ts", text: "let x = 1" }];
    expect(new History(branch, { system: "Be kind." }, "fake").messages(0)).toEqual([
      { role: "system", content: "Be kind." },
      { role: "user", content: "one" },
      { role: "assistant", content: "two" },
      { role: "user", content: "a.ts:\n```ts\nlet x = 1\n```\n\nthree" },
    ]);
  });

  it("goes on from a stopped answer with its thoughts, even without text yet", () => {
    const branch = [...turns("one"), message("assistant", "", { reasoning: "hm" })];
    expect(new History(branch, {}, "fake").messages(0).at(-1)).toEqual({
      role: "assistant",
      content: "",
      reasoning: "hm",
    });
  });

  it("leaves out replies that never came", () => {
    expect(new History(turns("one", "", "three"), {}, "fake").messages(0)).toHaveLength(2);
  });

  it("fences a text with longer fences than its own", () => {
    expect(fenced({ name: "runs", text: "` ".repeat(200_000) })).toMatch(/^runs:\n```\n/);
    expect(fenced({ name: "notes", text: "a ````b```` c\n" })).toBe("notes:\n`````\na ````b```` c\n`````");
  });
});

describe("a conversation longer than the context", () => {
  const long = turns(...Array.from({ length: 41 }, () => "x".repeat(100)));

  it("loses its oldest turns, so that the answer has room, and begins with the user", () => {
    const history = new History(long, {}, "fake");
    const leftOut = history.estimate(modelInfo({ context: 400 }), undefined);
    // (400 − 100) tokens of 3 bytes hold 9 messages of 100.
    expect(leftOut).toBe(32);
    expect(history.messages(leftOut)[0].role).toBe("user");
    expect(history.estimate(modelInfo({ context: 400 }), 10)).toBe(30);
    expect(history.estimate(modelInfo({ context: 100_000 }), undefined)).toBe(0);
    expect(history.estimate(modelInfo({ context: null }), undefined)).toBe(0);
  });

  it("counts by what an earlier reply measured", () => {
    const usage = { promptTokens: 100, completionTokens: 100, reasoningTokens: 0 } as Message["usage"];
    const measured = long.map((one, i) => (i === 1 ? { ...one, usage } : one));
    // 200 bytes were 200 tokens: a third as much fits.
    expect(new History(measured, {}, "fake").estimate(modelInfo({ context: 400 }), undefined)).toBe(38);
    expect(new History(measured, {}, "other").estimate(modelInfo({ context: 400 }), undefined)).toBe(32);
  });

  it("loses more where that was too little, until only the question is left", () => {
    const history = new History(long, {}, "fake");
    const steps: number[] = [0];
    for (let next = history.more(0); next !== null; next = history.more(next)) steps.push(next);
    expect(steps.at(-1)).toBe(40);
    expect(steps.length).toBeLessThan(20);
    expect(history.messages(40)).toHaveLength(1);
    expect(new History(turns("only"), {}, "fake").more(0)).toBeNull();
  });
});

describe("a comparison", () => {
  const reply = (id: string, parentId: string, model: string, slot?: number) =>
    message("assistant", `${id} says`, { id, parentId, model, slot });
  const q1 = message("user", "q1", { id: "q1" });
  const q2 = message("user", "q2", { id: "q2", parentId: "a1" });
  const all = [
    q1,
    reply("a1", "q1", "a", 1),
    reply("b1", "q1", "b", 2),
    reply("a1'", "q1", "a", 2),
    q2,
    reply("a2", "q2", "a", 1),
    reply("b2", "q2", "b", 2),
  ];
  const seen = (last: Message) => ownBranch([q1, all[1], q2, last], all, last).map(({ id }) => id);

  it("lets each model go on from its own answers", () => {
    expect(seen(all[5])).toEqual(["q1", "a1", "q2", "a2"]);
    expect(seen(all[6])).toEqual(["q1", "b1", "q2", "b2"]);
  });

  it("lets a model that answers twice go on from each of both", () => {
    expect(seen(reply("a2'", "q2", "a", 2))).toEqual(["q1", "a1'", "q2", "a2'"]);
  });

  it("shows a model that came later, and a reply that is alone, the branch as it is", () => {
    expect(seen(reply("c2", "q2", "c", 2))).toEqual(["q1", "a1", "q2", "c2"]);
    expect(seen(reply("b3", "q2", "b"))).toEqual(["q1", "a1", "q2", "b3"]);
  });
});

describe("a title", () => {
  it.each([
    ["Hello there", "Hello there"],
    ["Tell me a **story**.\nIt should be long.", "Tell me a story"],
    ["# What is `x`? And why?", "What is x?"],
    ["```js\ncode()\n``` explain this", "explain this"],
    ["a ".repeat(60), `${"a ".repeat(29)}a…`],
    ["请给我讲一个关于狐狸和河流的故事".repeat(6), `${"请给我讲一个关于狐狸和河流的故事".repeat(6).slice(0, 60)}…`],
    ["\u0007\u200b bell", "bell"],
    ["_Why_ is snake_case __so__ long_?", "Why is snake_case so long?"],
  ])("of %j is %j", (content, title) => expect(titleOf(content, [])).toBe(title));

  it.each([
    ["underscores", `a${"_".repeat(200_000)}a`],
    ["underscores and spaces", "_ ".repeat(200_000)],
    ["backticks", "`".repeat(400_000)],
    ["fences", "```a".repeat(100_000)],
    ["lines", "\n \t".repeat(200_000)],
    ["spaces before a word", `${" ".repeat(400_000)}x`],
    ["quotes", ">".repeat(400_000)],
    ["full stops", ".".repeat(400_000)],
    ["marks that are seen by nobody", "\u200b".repeat(400_000)],
    ["lone halves of characters", "\ud83e".repeat(400_000)],
  ])("of 400 KB of %s is made at once", (_name, content) => {
    const began = performance.now();
    const title = titleOf(content, []);
    expect(performance.now() - began).toBeLessThan(400);
    expect([...title].length).toBeLessThanOrEqual(61);
    expect(title.isWellFormed()).toBe(true);
  });

  it("of an attachment alone is its name", () => {
    expect(titleOf(" ", [{ name: "notes.txt", text: "x" }])).toBe("notes.txt");
    expect(titleOf("", [])).toBe("");
  });
});
