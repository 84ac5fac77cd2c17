// Softmax over the vocabulary: cross entropy, and weights to draw a token by.
#include <math.h>

#include "loss/contract.h"
#include "runtime/bytes.h"
#include "runtime/pool.h"
#include "simd/vec.h"

namespace SHOAL_ISA {
namespace {

/** The largest of count numbers; −∞ of none. */
SHOAL_INLINE float largest(const float* numbers, ptrdiff_t count) {
  // Four at a time: each comparison waits for the one before it.
  Vf tops[4] = {splat(-INFINITY), splat(-INFINITY), splat(-INFINITY), splat(-INFINITY)};
  ptrdiff_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int k = 0; k < 4; k++) tops[k] = max(load(numbers + i + k * kLanes), tops[k]);
  float most = lanesMax(max(max(tops[0], tops[1]), max(tops[2], tops[3])));
  for (; i < count; i++) most = numbers[i] > most ? numbers[i] : most;
  return most;
}

/** The sum of weigh(score) over all of a row's scores, −∞ weighing nothing; the weights are kept, where there is room for them. */
template <class Weigh>
SHOAL_INLINE double weighAll(const float* scores, ptrdiff_t V, float* weights, const Weigh& weigh) {
  Vf lanes = {};
  double total = 0;
  ptrdiff_t v = 0;
  for (; v + kLanes <= V; v += kLanes) {
    const Vf weight = weigh(load(scores + v));
    if (weights) store(weights + v, weight);
    lanes = lanes + weight;
    // A few thousand terms at a time in f32, the rest of the way in f64.
    if ((v / kLanes) % 256 == 255) total += lanesSum(lanes), lanes = Vf{};
  }
  total += lanesSum(lanes);
  if (v < V) {
    const Vf weight = weigh(loadPart(scores + v, (int)(V - v), -INFINITY));
    if (weights) storePart(weights + v, weight, (int)(V - v));
    total += lanesSum(weight);
  }
  return total;
}

}  // namespace

void crossEntropy(const call::CrossEntropy& p) {
  float* losses = p.losses;
  const ptrdiff_t V = p.V;
  const bool wanted = p.gradient.data != nullptr;
  const float scale = (float)p.gradScale;
  inItsType(p.gradient, [&](auto* gradients) {
    parallelRange(p.T, 1 + 16384 / (V + 1), [&](ptrdiff_t from, ptrdiff_t to) {
      for (ptrdiff_t t = from; t < to; t++) {
        float* row = p.logits + t * V;
        auto* gradient = gradients + t * V;
        const int32_t target = p.targets[t];
        if (target < 0) {
          losses[t] = 0;
          if (wanted) clearBytes(gradient, V * sizeof *gradient);
          continue;
        }
        const float peak = largest(row, V), own = row[target];
        const double total = weighAll(row, V, wanted ? row : nullptr, [&](Vf logit) { return exp(logit - splat(peak)); });
        losses[t] = (float)((double)peak + log(total) - (double)own);
        if (!wanted) continue;
        const float factor = (float)(scale / total), ofTarget = row[target] * factor - scale;
        ptrdiff_t v = 0;
        for (; v + kLanes <= V; v += kLanes) store(gradient + v, load(row + v) * splat(factor));
        for (; v < V; v++) store(gradient + v, row[v] * factor);
        store(gradient + target, ofTarget);
      }
    });
  });
}

namespace {

/** Writes the lanes of weights that are at least `least`, with ids from `first` on; kLanes numbers at ids and kept are free to be overwritten. */
SHOAL_INLINE int keep(Vf weights, float least, int32_t first, int32_t* ids, float* kept) {
#if SHOAL_VECTOR_BYTES == 64
  const __mmask16 heavy = _mm512_cmp_ps_mask((__m512)weights, _mm512_set1_ps(least), _CMP_GE_OQ);
  const __m512i places = _mm512_add_epi32(_mm512_set1_epi32(first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  _mm512_storeu_si512(ids, _mm512_maskz_compress_epi32(heavy, places));
  _mm512_storeu_ps(kept, _mm512_maskz_compress_ps(heavy, (__m512)weights));
  return __builtin_popcount(heavy);
#else
  if (lanesMax(weights) < least) return 0;
  int count = 0;
  for (int lane = 0; lane < kLanes; lane++) {
    ids[count] = first + lane;
    kept[count] = weights[lane];
    count += weights[lane] >= least;
  }
  return count;
#endif
}

}  // namespace

double tokenWeights(const call::TokenWeights& p) {
  int32_t* ids = p.ids;
  float* weights = p.weights;
  const float* scores = p.scores;
  const ptrdiff_t V = p.V;
  const float perUnit = (float)fmin(1e30, 1 / p.temperature);
  const float best = largest(scores, V);
  const double total = weighAll(scores, V, weights, [&](Vf score) {
    const Vf distance = (score - splat(best)) * splat(perUnit);
    // NaN fails the comparison.
    return distance > splat(-87.0f) ? exp(distance) : Vf{};
  });
  p.sum[0] = total > 0 ? (float)total : 1;
  if (V > 0 && !(total > 0)) {
    ids[0] = 0;
    while (ids[0] < V && !(scores[ids[0]] == best)) ids[0]++;
    if (ids[0] == V) ids[0] = 0;
    weights[0] = 1;
    return 1;
  }
  const float least = (float)(p.share * total / (double)V);
  // Kept to the front of the same memory: never further than what is read.
  ptrdiff_t count = 0, v = 0;
  for (; v + kLanes <= V; v += kLanes) count += keep(load(weights + v), least, (int32_t)v, ids + count, weights + count);
  for (; v < V; v++) {
    const float weight = weights[v];
    ids[count] = (int32_t)v;
    weights[count] = weight;
    count += weight >= least;
  }
  return (double)count;
}

}  // namespace SHOAL_ISA
