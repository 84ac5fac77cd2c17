/** Figures of an answer's tokens. Pure functions. */
import type { TokenInfo } from "../../../src/infer/engine.ts";

export const probability = (token: { logprob: number | null }): number | null =>
  token.logprob === null ? null : Math.exp(token.logprob);

/** Classes of tint from none (0: sure) to the strongest (5: surprised), by probability. */
const STEPS = [0.9, 0.6, 0.3, 0.1, 0.02];

export function heat(token: { logprob: number | null }): number {
  const p = probability(token);
  if (p === null) return 0;
  const step = STEPS.findIndex((least) => p >= least);
  return step < 0 ? STEPS.length : step;
}

export interface Summary {
  /** The geometric mean of the probabilities; null where none is known. */
  typical: number | null;
  perplexity: number | null;
  bitsPerToken: number | null;
  drafted: number;
}

export function summarise(tokens: readonly TokenInfo[]): Summary {
  const known = tokens.map((token) => token.logprob).filter((logprob) => logprob !== null);
  const drafted = tokens.filter((token) => token.drafted).length;
  if (known.length === 0) return { typical: null, perplexity: null, bitsPerToken: null, drafted };
  const mean = known.reduce((sum, logprob) => sum + logprob, 0) / known.length;
  return { typical: Math.exp(mean), perplexity: Math.exp(-mean), bitsPerToken: -mean / Math.LN2, drafted };
}

/** Tokens by layer and expert: how many each took, [layers][experts], and the most that one took. */
export interface ExpertCounts {
  counts: number[][];
  most: number;
  /** Tokens that tell their experts. */
  tokens: number;
}

/** @param width the model's number of experts, where known */
export function countExperts(tokens: readonly TokenInfo[], width: number | null): ExpertCounts | null {
  const telling = tokens.filter((token) => token.experts?.length);
  if (telling.length === 0) return null;
  const layers = telling.reduce((most, token) => Math.max(most, token.experts!.length), 0);
  const widest = telling.reduce((most, token) => Math.max(most, ...token.experts!.flat()), 0) + 1;
  const counts = Array.from({ length: layers }, () => new Array<number>(Math.max(width ?? 0, widest)).fill(0));
  let most = 0;
  for (const token of telling)
    for (const [layer, chosen] of token.experts!.entries())
      for (const expert of chosen) most = Math.max(most, ++counts[layer][expert]);
  return { counts, most, tokens: telling.length };
}

/** The next token after `from` (around the end) that the model held for unlikely, or for least likely; −1: there is none. */
export function nextSurprise(tokens: readonly TokenInfo[], from: number): number {
  const least = Math.min(
    4,
    tokens.reduce((most, token) => Math.max(most, heat(token)), 0),
  );
  if (least === 0) return -1;
  for (let step = 1; step <= tokens.length; step++) {
    const index = (from + step) % tokens.length;
    if (heat(tokens[index]) >= least) return index;
  }
  return -1;
}

/** The place of the token among the rivals that are known, from 1; null: it is not among them. */
export function rankOf(token: TokenInfo): number | null {
  const index = token.top.findIndex((rival) => (rival.id !== null ? rival.id === token.id : rival.text === token.text));
  return index < 0 ? null : index + 1;
}

export const hex = (bytes: readonly number[]): string =>
  bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** A token as it can be seen: its blanks have signs, a part of a character shows its bytes. */
export function visible(token: { text: string; bytes: readonly number[] }): string {
  if (token.text.includes("\uFFFD") && token.bytes.length > 0) return `‹${hex(token.bytes)}›`;
  return token.text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣") || "∅";
}
