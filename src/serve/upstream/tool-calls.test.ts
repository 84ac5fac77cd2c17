/** Calls of tools as servers give them, and what a client of this server gets of each. */
import { describe, expect, it } from "vitest";
import { asking, scriptedUpstream, streamOf, wholeOf } from "../testing/scripted-upstream.ts";

const up = await scriptedUpstream();
const { expectBoth, streamed, whole } = asking(up);

const f = (args: unknown, more: object = {}) => ({ ...more, function: { name: "f", arguments: args } });
const g = (args: unknown, more: object = {}) => ({ ...more, function: { name: "g", arguments: args } });
const more = (args: unknown, rest: object = {}) => ({ ...rest, function: { arguments: args } });
const calls = (...tool_calls: unknown[]) => ({ tool_calls });
const BOTH: [string, string][] = [
  ["f", '{"x":1}'],
  ["g", "{}"],
];

describe("calls of tools", () => {
  it.each<[string, object[], [string, string][]]>([
    [
      "by the book",
      [
        calls(f("", { index: 0, id: "a" })),
        calls(more('{"x"', { index: 0 })),
        calls(more(":1}", { index: 0 })),
        calls(g("{}", { index: 1, id: "b" })),
      ],
      BOTH,
    ],
    ["without index", [calls(f('{"x":1}', { id: "a" })), calls(g("{}", { id: "b" }))], BOTH],
    [
      "without index, in pieces",
      [calls(f('{"x"', { id: "a" })), calls(more(":1}")), calls(g("", { id: "b" })), calls(more("{}"))],
      BOTH,
    ],
    ["with the same index", [calls(f('{"x":1}', { index: 0, id: "a" })), calls(g("{}", { index: 0, id: "b" }))], BOTH],
    [
      "with the same index, in pieces",
      [
        calls(f('{"x', { index: 0, id: "a" })),
        calls(more('":1}', { index: 0 })),
        calls(g("", { index: 0, id: "b" })),
        calls(more("{}", { index: 0 })),
      ],
      BOTH,
    ],
    ["without ids", [calls(f('{"x":1}', { index: 0 })), calls(g("{}", { index: 1 }))], BOTH],
    ["without ids or index", [calls(f('{"x":1}')), calls(g("{}"))], BOTH],
    [
      "with one id for all",
      [calls(f('{"x":1}', { index: 0, id: "call" })), calls(g("{}", { index: 1, id: "call" }))],
      BOTH,
    ],
    ["with empty ids", [calls(f('{"x":1}', { index: 0, id: "" })), calls(g("{}", { index: 1, id: "" }))], BOTH],
    ["with ids that are numbers", [calls(f('{"x":1}', { id: 1 })), calls(g("{}", { id: 2 }))], BOTH],
    [
      "with index null",
      [calls(f('{"x":1}', { index: null, id: "a" })), calls(g("{}", { index: null, id: "b" }))],
      BOTH,
    ],
    [
      "with indexes as texts",
      [calls(f('{"x":', { index: "0", id: "a" })), calls(more("1}", { index: "0" })), calls(g("{}", { index: "1" }))],
      BOTH,
    ],
    [
      "with huge indexes",
      [calls(f('{"x":1}', { index: 4294967294, id: "a" })), calls(g("{}", { index: 9e15, id: "b" }))],
      BOTH,
    ],
    [
      "with negative indexes",
      [calls(f('{"x":1}', { index: -1, id: "a" })), calls(g("{}", { index: -1, id: "b" }))],
      BOTH,
    ],
    [
      "with indexes that begin late",
      [calls(f('{"x":1}', { index: 7, id: "a" })), calls(g("{}", { index: 9, id: "b" }))],
      BOTH,
    ],
    ["in one chunk", [calls(f('{"x":1}', { id: "a" }), g("{}", { id: "b" }))], BOTH],
    ["in one chunk, all of index 0", [calls(f('{"x":1}', { index: 0 }), g("{}", { index: 0 }))], BOTH],
    [
      "side by side in pieces",
      [
        calls(f('{"x"', { index: 0, id: "a" }), g("{", { index: 1, id: "b" })),
        calls(more(":1}", { index: 0 }), more("}", { index: 1 })),
      ],
      BOTH,
    ],
    [
      "side by side without index",
      [calls(f('{"x"', { id: "a" }), g("{", { id: "b" })), calls(more(":1}"), more("}"))],
      BOTH,
    ],
    [
      "with the id in every piece",
      [
        calls(f('{"x"', { id: "a" })),
        calls(more(":1}", { id: "a" })),
        calls(g("{", { id: "b" })),
        calls(more("}", { id: "b" })),
      ],
      BOTH,
    ],
    [
      "with id and name in every piece",
      [
        calls(f('{"x"', { index: 0, id: "a" })),
        calls(f(":1}", { index: 0, id: "a" })),
        calls(g("{}", { index: 1, id: "b" })),
      ],
      BOTH,
    ],
    [
      "with the name in every piece",
      [calls(f('{"x"', { index: 0 })), calls(f(":1}", { index: 0 })), calls(g("{}", { index: 1 }))],
      BOTH,
    ],
    [
      "of one tool twice, without id or index",
      [calls(f('{"x":1}')), calls(f('{"x":2}'))],
      [
        ["f", '{"x":1}'],
        ["f", '{"x":2}'],
      ],
    ],
    [
      "of one tool twice, all of index 0",
      [calls(f('{"x":1}', { index: 0 })), calls(f('{"x":2}', { index: 0 }))],
      [
        ["f", '{"x":1}'],
        ["f", '{"x":2}'],
      ],
    ],
    [
      "of one tool twice, by ids",
      [calls(f("{}", { index: 0, id: "a" })), calls(f("{}", { index: 0, id: "b" }))],
      [
        ["f", "{}"],
        ["f", "{}"],
      ],
    ],
    ["with arguments as objects", [calls(f({ x: 1 }, { id: "a" })), calls(g({}, { id: "b" }))], BOTH],
    [
      "without arguments",
      [calls(f(null, { id: "a" })), calls({ id: "b", function: { name: "g" } })],
      [
        ["f", "{}"],
        ["g", "{}"],
      ],
    ],
    [
      "whose name comes first",
      [
        calls({ index: 0, id: "a", function: { name: "f" } }),
        calls(more('{"x":1}', { index: 0 })),
        calls({ index: 1, id: "b", function: { name: "g" } }),
      ],
      BOTH,
    ],
    [
      "without their wrapping",
      [calls({ id: "a", name: "f", arguments: '{"x":1}' }), calls({ id: "b", name: "g", input: {} })],
      BOTH,
    ],
    [
      "whose name comes last",
      [
        calls(more('{"x"', { index: 0, id: "a" })),
        calls(f(":1}", { index: 0 })),
        calls(g("{}", { index: 1, id: "b" })),
      ],
      BOTH,
    ],
    [
      "whose name comes in pieces",
      [
        calls({ index: 0, id: "a", function: { name: "get_", arguments: "" } }),
        calls({ index: 0, function: { name: "weather", arguments: "" } }),
        calls(more('{"x":1}', { index: 0 })),
      ],
      [["get_weather", '{"x":1}']],
    ],
    ["as one object", [{ tool_calls: f('{"x":1}', { id: "a" }) }, { tool_calls: g("{}", { id: "b" }) }], BOTH],
    [
      "among nonsense",
      [calls(null, 7, "x", f('{"x":1}', { id: "a" })), { tool_calls: "x" }, calls(g("{}", { id: "b" }), null)],
      BOTH,
    ],
    [
      "in the old form",
      [{ function_call: { name: "f", arguments: "" } }, { function_call: { arguments: '{"x":1}' } }],
      [["f", '{"x":1}']],
    ],
    ["in the old form, as objects", [{ function_call: { name: "f", arguments: { x: 1 } } }], [["f", '{"x":1}']]],
  ])("%s are each a call with its own arguments", async (_, deltas, want) => {
    await expectBoth(streamOf(deltas, "tool_calls"), { calls: want, finish: "tool_calls" });
  });

  it.each<[string, object, [string, string][]]>([
    ["by the book", calls(f('{"x":1}', { id: "a" }), g("{}", { id: "b" })), BOTH],
    ["with the same index, and without ids", calls(f('{"x":1}', { index: 0 }), g("{}", { index: 0 })), BOTH],
    [
      "of one tool twice",
      calls(f("{}"), f("{}")),
      [
        ["f", "{}"],
        ["f", "{}"],
      ],
    ],
    ["with one id", calls(f('{"x":1}', { id: "a" }), g({}, { id: "a" })), BOTH],
    ["in the old form", { content: null, function_call: { name: "f", arguments: '{"x":1}' } }, [["f", '{"x":1}']]],
  ])("of a whole message, %s", async (_, message, want) => {
    await expectBoth(wholeOf(message, "stop"), { calls: want, finish: "tool_calls" });
  });

  it("are so many at most", async () => {
    const many = calls(...Array.from({ length: 200 }, (_, i) => f("{}", { id: `c${i}` })));
    for (const ask of [whole, streamed]) expect((await ask(wholeOf(many))).error).toMatch(/more than 128 times/);
  });

  it("have a name, and one that can be sent back", async () => {
    for (const [call, message] of [
      [more("{}", { id: "a" }), /calls a tool without naming it/],
      [{ id: "a", function: { name: "f".repeat(257), arguments: "{}" } }, /name is longer than 256/],
    ] as const)
      for (const ask of [whole, streamed]) expect((await ask(streamOf([calls(call)]))).error).toMatch(message);
  });
});
