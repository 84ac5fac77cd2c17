/** Texts that are held to a form, drawn at random among all tokens that may come, as a model without any sense would. */
import { Random } from "../../base/index.ts";
import { type Tokenizer, trainBpe } from "../../text/index.ts";
import { codesOf, Form, FormConstraint, type Made, PendingForm } from "../grammar/form.ts";
import { ANY_OBJECT } from "../grammar/grammar.ts";
import { type SchemaForm, schemaForm } from "../grammar/schema.ts";
import { TokenTrie } from "../grammar/token-trie.ts";
import { Budget, finish } from "../grammar/work.ts";

const samples = '{"name": "Ada", "n": 12.5, "list": [true, false, null], "sub": {"a": "日本"}} ';
const tokenizer: Tokenizer = trainBpe({ texts: [samples.repeat(20)], vocabSize: 330 });
export const trie = finish(TokenTrie.of(tokenizer, []));
export const EOS = tokenizer.eosId!;

export function compile(schema: unknown, lenient = false): SchemaForm {
  return finish(schemaForm(schema, { param: "schema", lenient }, new Budget()));
}

export const anyObject: SchemaForm = { node: ANY_OBJECT, check: null };

export interface Scribbled {
  text: string;
  ended: boolean;
  /** What the finished text lacks. */
  verdict: string | null;
}

export function scribbler({ node, check }: SchemaForm): (seed: number, most: number) => Scribbled {
  const made: Made = { node, check: check && ((codes) => check(JSON.parse(textOf(codes)))) };
  const pending = new PendingForm("schema", Form.of(made, new Budget(), trie, [EOS]));
  return (seed, most) => scribble(new FormConstraint(pending, codesOf(tokenizer, [])), seed, most);
}

function textOf(codes: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(codes));
}

function scribble(constraint: FormConstraint, seed: number, most: number): Scribbled {
  const random = new Random(seed);
  const ids: number[] = [];
  let ended = false;
  while (ids.length < most && !constraint.done && !ended) {
    const mask = constraint.mask(most - ids.length);
    const allowed = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
      (id) => mask[id >> 5] & (1 << (id & 31)),
    );
    const id = allowed[random.below(allowed.length)];
    ended = id === EOS;
    if (ended) break;
    ids.push(id);
    constraint.took(id);
  }
  return { text: tokenizer.decode(ids), ended: ended || constraint.done, verdict: constraint.verdict() };
}
