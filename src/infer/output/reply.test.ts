import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  CALL_BEGIN,
  CALL_END,
  CALL_SEPARATOR,
  CALLS_BEGIN,
  CALLS_END,
  loadTokenizer,
  ReplyParser,
} from "../../text/index.ts";
import type { EngineEvent, TokenInfo } from "../engine.ts";
import { spell } from "../sampling/token-info.ts";
import { Reply } from "./reply.ts";

const tokenizer = loadTokenizer(fileURLToPath(new URL("../../../models/minnow", import.meta.url)));

/** What a reply gives whose tokens are these, up to a stop string. */
function told(ids: Iterable<number>, { stop = [], calls = false }: { stop?: string[]; calls?: boolean } = {}) {
  const events: EngineEvent[] = [];
  const parser = calls ? new ReplyParser({ begins: "answer", calls, newId: () => "id" }) : null;
  const reply = new Reply(tokenizer, stop, parser, (event) => events.push(event));
  for (const id of ids) {
    reply.push(id, { ...spell(tokenizer, id), logprob: -1, top: [] });
    if (reply.stopped) break;
  }
  reply.end();
  const tokens: TokenInfo[] = [];
  const said = { text: "", calls: [] as string[], tokens, stopped: reply.stopped };
  for (const event of events) {
    if (event.type === "text") said.text += event.text;
    if (event.type === "text") tokens.push(...(event.tokens ?? []));
    if (event.type !== "tool_call") continue;
    said.calls[event.index] = (said.calls[event.index] ?? `${event.name} `) + event.arguments;
  }
  return said;
}

const call = (name: string, args: string) => `${CALL_BEGIN}${name}${CALL_SEPARATOR}${args}${CALL_END}`;
const whole = `Let me look. ${CALLS_BEGIN}${call("weather", '{"city": "Zürich", "c": true}')}${call("b", "{}")}${CALLS_END}`;
const ids = [...tokenizer.encode(whole)];

describe("a reply with calls", () => {
  it("shows no mark and no name as text, wherever it is cut", () => {
    for (let length = 0; length <= ids.length; length++) {
      const { text, calls } = told(ids.slice(0, length), { calls: true });
      expect("Let me look. ".startsWith(text) || text === "Let me look. <", text).toBe(true);
      for (const [i, made] of calls.entries())
        expect(['weather {"city": "Zürich", "c": true}', "b {}"][i].startsWith(made.replace(/\uFFFD$/, ""))).toBe(true);
    }
    expect(told(ids, { calls: true })).toMatchObject({ calls: ['weather {"city": "Zürich", "c": true}', "b {}"] });
  });

  it.each(["}", "c", "tool", "｜", "<", "weather", "true", "▁"])("is not cut by the stop string %j", (stop) => {
    const silent = [...tokenizer.encode(whole.slice(whole.indexOf(CALLS_BEGIN)))];
    expect(told(silent, { calls: true, stop: [stop] })).toMatchObject({
      stopped: false,
      text: "",
      calls: ['weather {"city": "Zürich", "c": true}', "b {}"],
    });
  });

  it("is stopped in what it says, before and after them", () => {
    expect(told(ids, { calls: true, stop: ["look"] })).toMatchObject({ stopped: true, text: "Let me ", calls: [] });
    const after = [...ids, ...tokenizer.encode("Now. END of it")];
    expect(told(after, { calls: true, stop: ["END"] })).toMatchObject({ stopped: true, text: "Let me look. Now. " });
    expect(told(after, { calls: true, stop: ["END"] }).calls).toHaveLength(2);
  });
});

describe("tokens that are reported", () => {
  const story = "One little boat sailed out. END And another.";

  it.each(["END", " END", "little", "t. E", "nothing of it", "O"])(
    "are those of the text before the stop string %j",
    (stop) => {
      const { text, tokens } = told(tokenizer.encode(story), { stop: [stop] });
      expect(text).toBe(story.split(stop)[0]);
      const reported = tokens.map((token) => token.text).join("");
      // The last may go on into the stop string.
      expect(reported.startsWith(text)).toBe(true);
      expect(
        tokens
          .slice(0, -1)
          .map((token) => token.text)
          .join("").length,
      ).toBeLessThan(Math.max(1, text.length));
    },
  );
});
