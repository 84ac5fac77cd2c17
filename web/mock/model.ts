/**
 * A model for trying the site: what it says is in its prompt or in a table, and its probabilities, rivals and experts are made up from a seed.
 * A prompt `/say TEXT` is answered with TEXT; `/slow TEXT` likewise, a piece at a time, and is over when it is stopped; `/hold TEXT` to the
 * middle of it, and with the rest when it is continued; `/think TEXT` after some thought; `/tool TEXT` calls a tool after it; `/fail` fails.
 */
import type { ModelInfo, TokenInfo } from "../../src/infer/engine.ts";

export const LAYERS = 6;
export const EXPERTS = 16;

const base = { created: 1_790_000_000, tools: false, defaults: { temperature: 0.7, topP: 0.95 } };

export const MODELS: ModelInfo[] = [
  {
    ...base,
    id: "minnow",
    owner: "local",
    context: 4096,
    parameters: { total: 16_300_000, active: 6_000_000 },
    dtype: "bf16",
    experts: { layers: LAYERS, count: EXPERTS, perToken: 2 },
    reasoning: false,
    price: { coreHourUsd: 0.02, cores: 2 },
  },
  {
    ...base,
    id: "deepseek-chat",
    owner: "upstream.example",
    context: 131_072,
    parameters: null,
    dtype: null,
    experts: null,
    reasoning: true,
    price: { promptUsd: 0.27, completionUsd: 1.1 },
  },
];

/** Numbers from 0 to 1 that only depend on the seed. */
function numbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

export const DEMO = `The **mean** of a list is its sum over its length; the *variance* is the mean of the squared distances from it:

$$\\sigma^2 = \\frac{1}{n}\\sum_{i=1}^{n} (x_i - \\mu)^2, \\qquad \\mu = \\frac{1}{n}\\sum_{i=1}^{n} x_i$$

Welford's method computes both in **one pass**, and does not lose digits when $\\mu$ is large beside $\\sigma$:

\`\`\`python
def mean_and_variance(values):
    """Welford (1962): one pass, numerically stable."""
    count, mean, m2 = 0, 0.0, 0.0
    for x in values:
        count += 1
        delta = x - mean
        mean += delta / count
        m2 += delta * (x - mean)
    return mean, m2 / count if count else float("nan")
\`\`\`

| method | passes | stable | memory |
|---|---:|:---:|---:|
| two sums | 1 | no | $O(1)$ |
| two passes | 2 | yes | $O(n)$ |
| Welford | 1 | yes | $O(1)$ |

1. Keep the count, the mean and the sum of squared distances.
2. For each value, move the mean a little towards it.
3. Divide at the end.

> For a *sample*, divide by $n - 1$ instead of $n$.
`;

export interface Speech {
  reasoning: string;
  text: string;
  /** Milliseconds between pieces. */
  pause: number;
  fails: boolean;
  calls: boolean;
  /** The share of the text behind which no more is said, until it is stopped; null: it comes to its end. */
  holdsAt: number | null;
}

export function answerTo(prompt: string): Speech {
  const [, command, text] = /^\/(say|slow|hold|think|tool|fail)\s?([\s\S]*)$/.exec(prompt) ?? [];
  const thought =
    "The question is short. I should first recall the definition, then give the formula, and end with a program that can be run.";
  return {
    reasoning: command === "think" ? thought : "",
    text: text || DEMO,
    pause: command === "slow" || command === "think" ? 25 : 1,
    fails: command === "fail",
    calls: command === "tool",
    holdsAt: command === "hold" ? 0.5 : command === "slow" ? 1 : null,
  };
}

/** Words with the blank before them, as a tokenizer would have it. */
export const pieces = (text: string): string[] => text.match(/\s?[\p{L}\p{N}]{1,6}|\s+|[^\s\p{L}\p{N}]/gu) ?? [];

export function tokensOf(text: string, model: string): TokenInfo[] {
  const random = numbers(text.length + 7);
  const bytesOf = (piece: string): number[] => [...new TextEncoder().encode(piece)];
  const local = model === "minnow";
  return pieces(text).map((piece, index) => {
    const p = Math.min(0.999, Math.max(0.004, random() ** 0.8));
    const rivals = [" the", " of", ",", " a", "\n"].filter((rival) => rival !== piece).slice(0, 4);
    let rest = 1 - p;
    const others = rivals.map((rival, place) => {
      const share = rest * 0.55;
      rest -= share;
      return { id: 200 + place, text: rival, bytes: bytesOf(rival), logprob: Math.log(share) };
    });
    const own = { id: 1000 + (index % 3000), text: piece, bytes: bytesOf(piece), logprob: Math.log(p) };
    const chosen = (): number[] => {
      const first = Math.floor(random() ** 2 * EXPERTS);
      return [first, (first + 1 + Math.floor(random() * (EXPERTS - 1))) % EXPERTS];
    };
    return {
      ...own,
      top: [own, ...others].sort((a, b) => b.logprob - a.logprob),
      ...(local ? { drafted: p > 0.8 && index % 2 === 1, experts: Array.from({ length: LAYERS }, chosen) } : {}),
    };
  });
}
