// The router's choice for one token (report, eq. 12–16): of the training's kernel and of the decoding step alike.
#pragma once
#include <math.h>

#include "simd/vec.h"

namespace SHOAL_ISA {

struct Router {
  int E, K, groups, topkGroups;
  bool softmax, topTwo, normalize;
  float scale;

  /** Numbers of scratch memory that `choose` needs. */
  size_t scratchNumbers() const { return (size_t)(2 * E + 2 * groups + kLanes); }
};

/** The router that a call, or its group of experts, describes. */
template <class Numbers>
static Router routerOf(const Numbers& p) {
  const bool softmax = p.scoring == p.kSoftmax, topTwo = p.groupScore == p.kTopTwo;
  return {(int)p.E, (int)p.K, (int)p.groups, (int)p.topkGroups, softmax, topTwo, p.normalize != 0, (float)p.scale};
}

/** softmax of n numbers, which may be done in place. */
static void softmax(const float* x, int n, float* out) {
  float peak = -INFINITY, total = 0;
  for (int i = 0; i < n; i++) peak = x[i] > peak ? x[i] : peak;
  for (int i = 0; i < n; i += kLanes) {
    const int rest = n - i < kLanes ? n - i : kLanes;
    storePart(out + i, exp(loadPart(x + i, rest) - splat(peak)), rest);
  }
  for (int i = 0; i < n; i++) total += out[i];
  for (int i = 0; i < n; i++) out[i] /= total;
}

/** Puts the indices of the `count` largest of n values into `chosen`, in falling order; of equals the lower index first. */
static void largestOf(const float* values, int n, int count, int32_t* chosen) {
  int kept = 0;
  for (int i = 0; i < n; i++) {
    // Equal values do not pass each other, so the earlier index stays ahead.
    if (kept == count && !(values[i] > values[chosen[kept - 1]])) continue;
    int at = kept < count ? kept++ : count - 1;
    while (at > 0 && values[i] > values[chosen[at - 1]]) {
      chosen[at] = chosen[at - 1];
      at--;
    }
    chosen[at] = i;
  }
}

/** scores[E], chosen[K] and weights[K] of a token from its logits[E]. bias [E]: null where there is none. */
static void choose(const Router& r, const float* logits, const float* bias, float* scores, int32_t* chosen, float* weights, float* memory) {
  const int E = r.E, groups = r.groups, size = E / groups;
  float* biased = memory;
  float* groupScores = biased + E;
  int32_t* kept = (int32_t*)(groupScores + groups);
  float* candidates = (float*)(kept + groups);
  if (r.softmax) softmax(logits, E, scores);
  for (int e = 0; e < E; e += kLanes) {
    const int rest = E - e < kLanes ? E - e : kLanes;
    const Vf value = r.softmax ? loadPart(scores + e, rest) : sigmoid(loadPart(logits + e, rest));
    storePart(scores + e, value, rest);
    storePart(biased + e, bias ? value + loadPart(bias + e, rest) : value, rest);
  }
  const float* from = biased;
  if (r.topkGroups < groups) {
    for (int g = 0; g < groups; g++) {
      int32_t best[2];
      const int count = r.topTwo && size > 1 ? 2 : 1;
      largestOf(biased + g * size, size, count, best);
      groupScores[g] = biased[g * size + best[0]] + (count == 2 ? biased[g * size + best[1]] : 0);
    }
    largestOf(groupScores, groups, r.topkGroups, kept);
    for (int e = 0; e < E; e++) candidates[e] = -INFINITY;
    for (int i = 0; i < r.topkGroups; i++)
      for (int e = kept[i] * size; e < (kept[i] + 1) * size; e++) candidates[e] = biased[e];
    from = candidates;
  }
  largestOf(from, E, r.K, chosen);
  float total = 1e-20f;
  for (int i = 0; i < r.K; i++) total += scores[chosen[i]];
  for (int i = 0; i < r.K; i++) weights[i] = (r.normalize ? scores[chosen[i]] / total : scores[chosen[i]]) * r.scale;
}

}  // namespace SHOAL_ISA
