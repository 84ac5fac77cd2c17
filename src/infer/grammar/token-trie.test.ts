import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { trainBpe } from "../../text/index.ts";
import { compile } from "../testing/scribble.ts";
import { codesOf, Form } from "./form.ts";
import type { State } from "./machine.ts";
import { TokenTrie } from "./token-trie.ts";
import { finish } from "./work.ts";

const samples = '{"name": "Ada\\n", "n": 12.5, "list": [true, null], "sub": {"a": "日本 naïve 🙂🙂"}}    ';
const tokenizer = trainBpe({ texts: [samples.repeat(20)], vocabSize: 360 });
const trie = finish(TokenTrie.of(tokenizer, []));
const codes = codesOf(tokenizer, []);
const special = new Set(tokenizer.special.values());
const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => !special.has(id));

/** Where a token leads, byte by byte. */
function after(state: State, id: number): State | null {
  let next: State | null = state;
  for (const code of codes(id)) next = next?.next(code) ?? null;
  return next;
}

const idsOf = (mask: Uint32Array) => ids.filter((id) => mask[id >> 5] & (1 << (id & 31)));

describe("allowed", () => {
  it.each<[string, unknown]>([
    ["a string of any length", { type: "string" }],
    ["a string of at least some length", { type: "string", minLength: 30 }],
    ["a string of at most few characters", { type: "string", maxLength: 6 }],
    ["a string of just as many", { type: "string", minLength: 4, maxLength: 4 }],
    ["a string or a longer word", { anyOf: [{ type: "string", maxLength: 2 }, { enum: ["日本 naïve", "null"] }] }],
    ["a pattern", { type: "string", pattern: "^[A-Za-z]+日?$" }],
    ["an object with free keys", { type: "object", properties: { name: { type: "string" } }, minProperties: 2 }],
    ["a list of strings and numbers", { type: "array", items: { type: ["string", "number"], maxLength: 3 } }],
  ])("is each token that byte by byte may come: %s", (_, schema) => {
    const { machine } = Form.now(compile(schema).node, trie, []);
    for (let seed = 0; seed < 6; seed++) {
      const random = new Random(seed);
      let state = machine.start;
      for (let step = 0; step < 25 && !state.ended; step++) {
        const leads = ids.flatMap((id) => {
          const next = after(state, id);
          return next ? [{ id, next }] : [];
        });
        for (const limit of [Number.POSITIVE_INFINITY, state.rest + 6, state.rest + 1]) {
          const expected = leads.filter(({ next }) => next.rest <= limit);
          const { mask, most } = finish(trie.allowed(state, limit));
          expect(idsOf(mask)).toEqual(expected.map(({ id }) => id));
          for (const { next } of expected) expect(most).toBeGreaterThanOrEqual(next.rest);
        }
        if (leads.length === 0) break;
        state = leads[random.below(leads.length)].next;
      }
    }
  });
});
