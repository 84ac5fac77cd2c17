/** The mixture of experts: activation, router, balance loss, and the way of tokens to their experts and back. */
import { bf16ToF32, type F32, put } from "../../dtype.ts";
import type { CompleteOf } from "../contract.ts";
import { define } from "../define.ts";
import { moe } from "./contract.ts";

type Route = CompleteOf<typeof moe.route>;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The indices of the `count` largest of values, in falling order; of equals the lower index first. */
function largestOf(values: ArrayLike<number>, count: number): number[] {
  const order = Array.from({ length: values.length }, (_, i) => i);
  return order.sort((a, b) => values[b] - values[a] || a - b).slice(0, count);
}

/** scores[E] of a token from its logits. */
function scoresOf(logits: F32, scoring: Route["scoring"]): Float64Array {
  if (scoring === "sigmoid") return Float64Array.from(logits, sigmoid);
  const largest = logits.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(logits, (x) => Math.exp(x - largest));
  const total = powers.reduce((sum, x) => sum + x, 0);
  return powers.map((x) => x / total);
}

function route(p: Route): void {
  const { scores, indices, weights, logits, bias, T, E, K, groups, topkGroups, normalize, scale } = p;
  const size = E / groups;
  for (let t = 0; t < T; t++) {
    const own = scores.subarray(t * E, (t + 1) * E);
    own.set(scoresOf(logits.subarray(t * E, (t + 1) * E), p.scoring));
    const biased = own.map((score, e) => score + (bias ? bias[e] : 0));
    const groupScores = Array.from({ length: groups }, (_, g) => {
      const members = biased.subarray(g * size, (g + 1) * size);
      return largestOf(members, p.groupScore === "max" ? 1 : 2).reduce((sum, i) => sum + members[i], 0);
    });
    const kept = new Set(largestOf(groupScores, topkGroups));
    const candidates = biased.map((value, e) => (kept.has(Math.floor(e / size)) ? value : Number.NEGATIVE_INFINITY));
    const chosen = largestOf(candidates, K);
    const total = chosen.reduce((sum, e) => sum + own[e], 0) + 1e-20;
    for (let i = 0; i < K; i++) {
      indices[t * K + i] = chosen[i];
      weights[t * K + i] = (own[chosen[i]] / (normalize ? total : 1)) * scale;
    }
  }
}

export const moeReference = define(moe, {
  swiglu({ out, x, T, F }) {
    for (let t = 0; t < T; t++) {
      for (let f = 0; f < F; f++) {
        const gate = x[t * 2 * F + f];
        put(out, t * F + f, gate * sigmoid(gate) * x[t * 2 * F + F + f]);
      }
    }
  },

  swigluBackward({ dx, dy, x, T, F, fresh }) {
    const add = (i: number, value: number) => put(dx, i, fresh ? value : dx[i] + value);
    for (let t = 0; t < T; t++) {
      for (let f = 0; f < F; f++) {
        const gate = x[t * 2 * F + f];
        const up = x[t * 2 * F + F + f];
        const s = sigmoid(gate);
        const gradient = dy[t * F + f];
        add(t * 2 * F + f, gradient * up * s * (1 + gate * (1 - s)));
        add(t * 2 * F + F + f, gradient * gate * s);
      }
    }
  },

  route,

  routeBackward({ dLogits, dWeights, dScores, scores, indices, T, E, K, scoring, normalize, scale }) {
    for (let t = 0; t < T; t++) {
      const chosen = Array.from(indices.subarray(t * K, (t + 1) * K));
      const total = chosen.reduce((sum, e) => sum + scores[t * E + e], 0) + 1e-20;
      const gradient = new Float64Array(E);
      if (dScores) for (let e = 0; e < E; e++) gradient[e] = dScores[t * E + e];
      // weight_i = scale · s_i / total, so d/ds_j = scale · (δ_ij / total − s_i / total²)
      const projected = chosen.reduce((sum, e, i) => sum + dWeights[t * K + i] * scores[t * E + e], 0);
      for (let i = 0; i < K; i++) {
        const own = dWeights[t * K + i];
        gradient[chosen[i]] += scale * (normalize ? (own - projected / total) / total : own);
      }
      // sigmoid: ds/dlogit = s (1 − s). softmax: ds_e/dlogit_j = s_e (δ_ej − s_j), so the mean gradient is taken off.
      const mean = scoring === "softmax" ? gradient.reduce((sum, g, e) => sum + g * scores[t * E + e], 0) : 0;
      for (let e = 0; e < E; e++) {
        const s = scores[t * E + e];
        dLogits[t * E + e] += scoring === "softmax" ? s * (gradient[e] - mean) : gradient[e] * s * (1 - s);
      }
    }
  },

  balanceLoss({ dScores, scores, indices, segments, S, T, E, K, alpha, gradScale }) {
    dScores.fill(0, 0, T * E);
    let loss = 0;
    let tokens = 0;
    for (let s = 0; s < S; s++) tokens += segments[s * 4 + 1];
    for (let s = 0; s < S; s++) {
      const start = segments[s * 4];
      const length = segments[s * 4 + 1];
      if (length === 0) continue;
      const share = length / tokens;
      const f = new Float64Array(E);
      for (let i = start * K; i < (start + length) * K; i++) f[indices[i]] += E / (K * length);
      for (let t = start; t < start + length; t++) {
        let total = 0;
        let weighted = 0;
        for (let e = 0; e < E; e++) {
          total += scores[t * E + e];
          weighted += f[e] * scores[t * E + e];
        }
        loss += (alpha * share * weighted) / total / length;
        const factor = (alpha * share * gradScale) / length;
        for (let e = 0; e < E; e++) dScores[t * E + e] = (factor * (f[e] - weighted / total)) / total;
      }
    }
    return loss;
  },

  dispatch({ place, tokens, offsets, indices, T, E, K }) {
    offsets.fill(0, 0, E + 1);
    for (let i = 0; i < T * K; i++) offsets[indices[i] + 1]++;
    for (let e = 0; e < E; e++) offsets[e + 1] += offsets[e];
    const next = offsets.slice(0, E);
    for (let i = 0; i < T * K; i++) {
      place[i] = next[indices[i]]++;
      tokens[place[i]] = Math.floor(i / K);
    }
  },

  gatherRows({ out, x, rows, J, D }) {
    for (let j = 0; j < J; j++) {
      const from = rows[j] * D;
      for (let d = from; d < from + D; d++)
        put(out, j * D + d - from, x instanceof Uint16Array ? bf16ToF32(x[d]) : x[d]);
    }
  },

  scatterRows({ dx, dy, rows, J, D }) {
    for (let j = 0; j < J; j++) for (let d = 0; d < D; d++) dx[rows[j] * D + d] += dy[j * D + d];
  },

  combine({ out, y, weights, place, T, K, D }) {
    for (let t = 0; t < T; t++) {
      for (let i = 0; i < K; i++) {
        const weight = weights ? weights[t * K + i] : 1;
        const from = place[t * K + i] * D;
        for (let d = 0; d < D; d++) out[t * D + d] += weight * y[from + d];
      }
    }
  },

  combineBackward({ dy, dWeights, dout, y, weights, place, T, K, D, fresh }) {
    for (let t = 0; t < T; t++) {
      for (let i = 0; i < K; i++) {
        const row = place[t * K + i] * D;
        const weight = weights[t * K + i];
        let sum = 0;
        for (let d = 0; d < D; d++) {
          put(dy, row + d, weight * dout[t * D + d] + (fresh ? 0 : dy[row + d]));
          sum += dout[t * D + d] * y[row + d];
        }
        dWeights[t * K + i] += sum;
      }
    }
  },
});
