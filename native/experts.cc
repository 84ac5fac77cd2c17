// The mixture of experts around its matrix products: activation, router, balance loss, and the way of tokens to experts and back.
#include <math.h>

#include "args.h"
#include "pool.h"
#include "router.h"

namespace SHOAL_ISA {
namespace {

ptrdiff_t rowsPerTask(ptrdiff_t D) { return 1 + 16384 / (D + 1); }

/** The first `count` numbers of a vector into `to`, or added to what stands there. */
SHOAL_INLINE void put(float* to, Vf x, int count, bool fresh) {
  if (count == kLanes) store(to, fresh ? x : load(to) + x);
  else storePart(to, fresh ? x : loadPart(to, count) + x, count);
}
SHOAL_INLINE void put(uint16_t* to, Vf x, int count, bool) {
  if (count == kLanes) store(to, x);
  else storePart(to, x, count);
}

template <class T>
void swigluRows(T* out, const float* x, ptrdiff_t rows, ptrdiff_t F) {
  parallelRange(rows, rowsPerTask(F), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) {
      const float *gates = x + t * 2 * F, *ups = gates + F;
      T* row = out + t * F;
      ptrdiff_t f = 0;
      for (; f + kLanes <= F; f += kLanes) {
        const Vf gate = load(gates + f);
        store(row + f, gate * sigmoid(gate) * load(ups + f));
      }
      if (f < F) {
        const int rest = (int)(F - f);
        const Vf gate = loadPart(gates + f, rest);
        storePart(row + f, gate * sigmoid(gate) * loadPart(ups + f, rest), rest);
      }
    }
  });
}

/** out, x, T, F */
double swiglu(const Arg* args) {
  return inItsType(args[0], [&](auto* out) { swigluRows(out, args[1].f32(), args[2].size(), args[3].size()); });
}

/** Writes the gradient of `rows` rows, or adds to it where it is in f32 and not fresh. */
template <class T>
void swigluBackwardRows(T* dx, bool fresh, const float* dy, const float* x, ptrdiff_t rows, ptrdiff_t F) {
  parallelRange(rows, rowsPerTask(F), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) {
      const float *gates = x + t * 2 * F, *ups = gates + F, *gradients = dy + t * F;
      T *dGates = dx + t * 2 * F, *dUps = dGates + F;
      for (ptrdiff_t f = 0; f < F; f += kLanes) {
        const int rest = (int)(F - f < kLanes ? F - f : kLanes);
        const bool whole = rest == kLanes;
        const Vf gate = whole ? load(gates + f) : loadPart(gates + f, rest), up = whole ? load(ups + f) : loadPart(ups + f, rest);
        const Vf gradient = whole ? load(gradients + f) : loadPart(gradients + f, rest), s = sigmoid(gate);
        const Vf dGate = gradient * up * s * (1.0f + gate * (1.0f - s)), dUp = gradient * gate * s;
        put(dGates + f, dGate, rest, fresh);
        put(dUps + f, dUp, rest, fresh);
      }
    }
  });
}

/** dx (f32, or bf16 where it is fresh), dy, x, T, F, fresh */
double swigluBackward(const Arg* args) {
  return inItsType(args[0], [&](auto* dx) { swigluBackwardRows(dx, args[5].flag(), args[1].f32(), args[2].f32(), args[3].size(), args[4].size()); });
}

/** scores, indices, weights, logits, bias, T, E, K, groups, topkGroups, normalise, scale */
double route(const Arg* args) {
  float *scores = args[0].f32(), *weights = args[2].f32();
  int32_t* indices = args[1].i32();
  const float *logits = args[3].f32(), *bias = args[4].f32();
  const Router router{args[6].count(), args[7].count(), args[8].count(), args[9].count(), args[10].flag(), args[11].real()};
  const ptrdiff_t E = router.E, K = router.K;
  parallelRange(args[5].size(), rowsPerTask(8 * E), [&](ptrdiff_t from, ptrdiff_t to) {
    float* memory = (float*)scratch(2, router.scratchNumbers() * 4);
    for (ptrdiff_t t = from; t < to; t++) choose(router, logits + t * E, bias, scores + t * E, indices + t * K, weights + t * K, memory);
  });
  return 0;
}

/** dLogits, dWeights, dScores (or null), scores, indices, T, E, K, normalise, scale */
double routeBackward(const Arg* args) {
  float* dLogits = args[0].f32();
  const float *dWeights = args[1].f32(), *dScores = args[2].f32(), *scores = args[3].f32();
  const int32_t* indices = args[4].i32();
  const int E = args[6].count(), K = args[7].count();
  const bool normalise = args[8].flag();
  const float scale = args[9].real();
  parallelRange(args[5].size(), rowsPerTask(4 * E), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) {
      const float* s = scores + t * E;
      const int32_t* chosen = indices + t * K;
      float total = 1e-20f, projected = 0;
      for (int i = 0; i < K; i++) {
        total += s[chosen[i]];
        projected += dWeights[t * K + i] * s[chosen[i]];
      }
      float* into = dLogits + t * E;
      if (dScores)
        for (int e = 0; e < E; e++) into[e] += dScores[t * E + e] * s[e] * (1 - s[e]);
      for (int i = 0; i < K; i++) {
        const float own = dWeights[t * K + i], x = s[chosen[i]];
        into[chosen[i]] += scale * (normalise ? (own - projected / total) / total : own) * x * (1 - x);
      }
    }
  });
  return 0;
}

/** dScores, scores, indices, segments, S, T, E, K, alpha, gradScale → loss */
double balanceLoss(const Arg* args) {
  float* dScores = args[0].f32();
  const float* scores = args[1].f32();
  const int32_t *indices = args[2].i32(), *segments = args[3].i32();
  const ptrdiff_t S = args[4].size(), T = args[5].size(), E = args[6].size(), K = args[7].size();
  const double alpha = args[8].number, gradScale = args[9].number;
  memset(dScores, 0, (size_t)(T * E) * 4);
  double* losses = (double*)sharedScratch(3, (size_t)(S + 1) * 8);
  ptrdiff_t tokens = 0;
  for (ptrdiff_t s = 0; s < S; s++) tokens += segments[s * 4 + 1];
  parallelFor(S, [&](ptrdiff_t s) {
    const ptrdiff_t start = segments[s * 4], length = segments[s * 4 + 1];
    losses[s] = 0;
    if (length == 0) return;
    float* f = (float*)scratch(2, (size_t)E * 4);
    memset(f, 0, (size_t)E * 4);
    for (ptrdiff_t i = start * K; i < (start + length) * K; i++) f[indices[i]] += 1;
    for (ptrdiff_t e = 0; e < E; e++) f[e] *= (float)E / (float)(K * length);
    const double share = alpha * (double)length / (double)tokens;
    const float factor = (float)(share * gradScale / (double)length);
    double loss = 0;
    for (ptrdiff_t t = start; t < start + length; t++) {
      float total = 0, weighted = 0;
      for (ptrdiff_t e = 0; e < E; e++) {
        total += scores[t * E + e];
        weighted += f[e] * scores[t * E + e];
      }
      loss += weighted / total;
      for (ptrdiff_t e = 0; e < E; e++) dScores[t * E + e] = factor * (f[e] - weighted / total) / total;
    }
    losses[s] = share * loss / (double)length;
  });
  double loss = 0;
  for (ptrdiff_t s = 0; s < S; s++) loss += losses[s];
  return loss;
}

/** place, tokens, offsets, indices, T, E, K. A counting sort: one thread, two passes over T·K numbers. */
double dispatch(const Arg* args) {
  int32_t *place = args[0].i32(), *tokens = args[1].i32(), *offsets = args[2].i32();
  const int32_t* indices = args[3].i32();
  const ptrdiff_t T = args[4].size(), E = args[5].size(), K = args[6].size();
  memset(offsets, 0, (size_t)(E + 1) * 4);
  for (ptrdiff_t i = 0; i < T * K; i++) offsets[indices[i] + 1]++;
  for (ptrdiff_t e = 0; e < E; e++) offsets[e + 1] += offsets[e];
  int32_t* next = (int32_t*)sharedScratch(3, (size_t)(E + 1) * 4);
  memcpy(next, offsets, (size_t)E * 4);
  for (ptrdiff_t t = 0; t < T; t++) {
    for (ptrdiff_t i = t * K; i < (t + 1) * K; i++) {
      place[i] = next[indices[i]]++;
      tokens[place[i]] = (int32_t)t;
    }
  }
  return 0;
}

void takeRow(float* to, const float* from, ptrdiff_t D) { copyRow(to, from, D); }
void takeRow(uint16_t* to, const float* from, ptrdiff_t D) { copyRow(to, from, D); }
void takeRow(uint16_t* to, const uint16_t* from, ptrdiff_t D) { memcpy(to, from, (size_t)D * 2); }
void takeRow(float* to, const uint16_t* from, ptrdiff_t D) {
  for (ptrdiff_t d = 0; d < D; d++) to[d] = loadBf16One(from + d);
}

/** out, x, rows, J, D */
double gatherRows(const Arg* args) {
  const int32_t* rows = args[2].i32();
  const ptrdiff_t D = args[4].size();
  return inItsType(args[0], [&](auto* out) {
    inItsType(args[1], [&](const auto* x) {
      parallelRange(args[3].size(), rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
        for (ptrdiff_t j = from; j < to; j++) takeRow(out + j * D, x + (ptrdiff_t)rows[j] * D, D);
      });
    });
  });
}

/** into[0…D) += factor · from[0…D) */
SHOAL_INLINE void addRow(float* into, const float* from, float factor, ptrdiff_t D) {
  ptrdiff_t d = 0;
  for (; d + kLanes <= D; d += kLanes) store(into + d, load(into + d) + splat(factor) * load(from + d));
  for (; d < D; d++) into[d] += factor * from[d];
}

/** dx, dy, rows, J, D, X. A task owns a range of dx's rows and meets their contributions in the order of j. */
double scatterRows(const Arg* args) {
  float* dx = args[0].f32();
  const float* dy = args[1].f32();
  const int32_t* rows = args[2].i32();
  const ptrdiff_t J = args[3].size(), D = args[4].size(), X = args[5].size();
  parallelRange(X, X / 16 + 1, [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t j = 0; j < J; j++)
      if (rows[j] >= from && rows[j] < to) addRow(dx + rows[j] * D, dy + j * D, 1, D);
  });
  return 0;
}

/** out, y, weights (or null), place, T, K, D */
double combine(const Arg* args) {
  float* out = args[0].f32();
  const float *y = args[1].f32(), *weights = args[2].f32();
  const int32_t* place = args[3].i32();
  const ptrdiff_t K = args[5].size(), D = args[6].size();
  parallelRange(args[4].size(), rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t i = from * K; i < to * K; i++) addRow(out + i / K * D, y + (ptrdiff_t)place[i] * D, weights ? weights[i] : 1, D);
  });
  return 0;
}

/** dy (f32, or bf16 where it is fresh), dWeights, dout, y, weights, place, T, K, D, fresh */
double combineBackward(const Arg* args) {
  float* dWeights = args[1].f32();
  const float *dout = args[2].f32(), *y = args[3].f32(), *weights = args[4].f32();
  const int32_t* place = args[5].i32();
  const ptrdiff_t K = args[7].size(), D = args[8].size();
  const bool fresh = args[9].flag();
  return inItsType(args[0], [&](auto* dy) {
    parallelRange(args[6].size(), rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
      for (ptrdiff_t i = from * K; i < to * K; i++) {
        const float *gradient = dout + i / K * D, *row = y + (ptrdiff_t)place[i] * D;
        auto* into = dy + (ptrdiff_t)place[i] * D;
        Vf lanes = {};
        ptrdiff_t d = 0;
        for (; d + kLanes <= D; d += kLanes) {
          const Vf own = load(gradient + d);
          put(into + d, splat(weights[i]) * own, kLanes, fresh);
          lanes = lanes + own * load(row + d);
        }
        float sum = lanesSum(lanes);
        if (d < D) put(into + d, splat(weights[i]) * loadPart(gradient + d, (int)(D - d)), (int)(D - d), fresh);
        for (; d < D; d++) sum += gradient[d] * row[d];
        dWeights[i] += sum;
      }
    });
  });
}

}  // namespace

extern const Entry expertsFamily[] = {
    {"swiglu", swiglu},         {"swigluBackward", swigluBackward}, {"route", route},
    {"routeBackward", routeBackward}, {"balanceLoss", balanceLoss}, {"dispatch", dispatch},
    {"gatherRows", gatherRows}, {"scatterRows", scatterRows},       {"combine", combine},
    {"combineBackward", combineBackward}, {nullptr, nullptr},
};

}  // namespace SHOAL_ISA
