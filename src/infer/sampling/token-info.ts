/** What a token is reported with: its bytes, its log probability, and its rivals'. */
import type { RouterTrace } from "../../model/index.ts";
import type { F32 } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { TokenInfo } from "../engine.ts";
import type { Sampler } from "./sampler.ts";

/** Text and bytes of an id; empty for an id that has no token. */
export function spell(tokenizer: Tokenizer, id: number): { id: number; text: string; bytes: number[] } {
  const bytes = id < tokenizer.vocabSize ? tokenizer.tokenBytes(id) : new Uint8Array(0);
  return { id, text: new TextDecoder().decode(bytes), bytes: [...bytes] };
}

/** A token in the distribution that logits [V] stand for (null: not asked for), with its `top` likeliest rivals. */
export function tokenInfo(
  { tokenizer, sampler }: { tokenizer: Tokenizer; sampler: Sampler },
  id: number,
  logits: F32 | null,
  top: number,
): TokenInfo {
  const token = { ...spell(tokenizer, id), ...(tokenizer.isSpecial(id) && { special: true }) };
  if (!logits) return { ...token, logprob: null, top: [] };
  const logprob = sampler.logprob(id, logits);
  const norm = logits[id] - logprob;
  const rivals = likeliest(logits, top).map((rival) => ({ ...spell(tokenizer, rival), logprob: logits[rival] - norm }));
  return { ...token, logprob, top: rivals };
}

/** Ids of the `most` largest numbers, the largest first; of equals, the lower id. */
function likeliest(x: F32, most: number): number[] {
  const best: number[] = [];
  for (let id = 0; most > 0 && id < x.length; id++) {
    if (best.length === most && !(x[id] > x[best[most - 1]])) continue;
    let at = best.length < most ? best.length : most - 1;
    for (; at > 0 && x[id] > x[best[at - 1]]; at--) best[at] = best[at - 1];
    best[at] = id;
  }
  return best;
}

/** Experts that fired at one row of a pass, by expert layer. */
export function expertsAt(routers: readonly RouterTrace[], row: number, perToken: number): number[][] {
  return routers.map(({ indices }) => [...indices.subarray(row * perToken, (row + 1) * perToken)]);
}
