// The mixture of experts around its matrix products: activation, router, balance loss, and the way of tokens to experts and back.
#include <math.h>

#include "moe/contract.h"
#include "runtime/arena.h"
#include "runtime/bytes.h"
#include "runtime/pool.h"
#include "moe/router.h"

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

}  // namespace

void swiglu(const call::Swiglu& p) {
  inItsType(p.out, [&](auto* out) { swigluRows(out, p.x, p.T, p.F); });
}

namespace {

/** Writes the gradient of `rows` rows, or adds to it where it is in f32 and not fresh. */
template <class T>
void swigluBackwardRows(T* dx, const call::SwigluBackward& p) {
  const ptrdiff_t F = p.F;
  const bool fresh = p.fresh;
  parallelRange(p.T, rowsPerTask(F), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) {
      const float *gates = p.x + t * 2 * F, *ups = gates + F, *gradients = p.dy + t * F;
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

}  // namespace

void swigluBackward(const call::SwigluBackward& p) {
  inItsType(p.dx, [&](auto* dx) { swigluBackwardRows(dx, p); });
}

void route(const call::Route& p) {
  const Router router = routerOf(p);
  const ptrdiff_t E = router.E, K = router.K;
  parallelRange(p.T, rowsPerTask(8 * E), [&](ptrdiff_t from, ptrdiff_t to) {
    Scratch own;
    float* memory = own.take<float>((ptrdiff_t)router.scratchNumbers());
    for (ptrdiff_t t = from; t < to; t++) choose(router, p.logits + t * E, p.bias, p.scores + t * E, p.indices + t * K, p.weights + t * K, memory);
  });
}

void routeBackward(const call::RouteBackward& p) {
  const ptrdiff_t E = p.E, K = p.K;
  const float *dWeights = p.dWeights, scale = (float)p.scale;
  const bool softmax = p.scoring == p.kSoftmax;
  parallelRange(p.T, rowsPerTask(4 * E), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) {
      const float* s = p.scores + t * E;
      const int32_t* chosen = p.indices + t * K;
      float total = 1e-20f, projected = 0;
      for (ptrdiff_t i = 0; i < K; i++) {
        total += s[chosen[i]];
        projected += dWeights[t * K + i] * s[chosen[i]];
      }
      const auto ofWeight = [&](ptrdiff_t i) {
        const float own = dWeights[t * K + i];
        return scale * (p.normalize ? (own - projected / total) / total : own);
      };
      float *into = p.dLogits + t * E, mean = 0;
      const float* dScores = p.dScores ? p.dScores + t * E : nullptr;
      if (softmax) {
        if (dScores)
          for (ptrdiff_t e = 0; e < E; e++) mean += dScores[e] * s[e];
        for (ptrdiff_t i = 0; i < K; i++) mean += ofWeight(i) * s[chosen[i]];
        for (ptrdiff_t e = 0; e < E; e++) into[e] += ((dScores ? dScores[e] : 0) - mean) * s[e];
      } else if (dScores) {
        for (ptrdiff_t e = 0; e < E; e++) into[e] += dScores[e] * s[e] * (1 - s[e]);
      }
      for (ptrdiff_t i = 0; i < K; i++) {
        const float x = s[chosen[i]];
        into[chosen[i]] += ofWeight(i) * x * (softmax ? 1 : 1 - x);
      }
    }
  });
}

double balanceLoss(const call::BalanceLoss& p) {
  const float* scores = p.scores;
  const int32_t* segments = p.segments;
  const ptrdiff_t S = p.S, E = p.E, K = p.K;
  clearBytes(p.dScores, p.T * E * 4);
  Scratch shared(Arena::kShared);
  double* losses = shared.take<double>(S);
  ptrdiff_t tokens = 0;
  for (ptrdiff_t s = 0; s < S; s++) tokens += segments[s * 4 + 1];
  parallelFor(S, [&](ptrdiff_t s) {
    const ptrdiff_t start = segments[s * 4], length = segments[s * 4 + 1];
    losses[s] = 0;
    if (length == 0) return;
    Scratch own;
    float* f = own.take<float>(E);
    clearBytes(f, E * 4);
    for (ptrdiff_t i = start * K; i < (start + length) * K; i++) f[p.indices[i]] += 1;
    for (ptrdiff_t e = 0; e < E; e++) f[e] *= (float)E / (float)(K * length);
    const double share = p.alpha * (double)length / (double)tokens;
    const float factor = (float)(share * p.gradScale / (double)length);
    double loss = 0;
    for (ptrdiff_t t = start; t < start + length; t++) {
      float total = 0, weighted = 0;
      for (ptrdiff_t e = 0; e < E; e++) {
        total += scores[t * E + e];
        weighted += f[e] * scores[t * E + e];
      }
      loss += weighted / total;
      for (ptrdiff_t e = 0; e < E; e++) p.dScores[t * E + e] = factor * (f[e] - weighted / total) / total;
    }
    losses[s] = share * loss / (double)length;
  });
  double loss = 0;
  for (ptrdiff_t s = 0; s < S; s++) loss += losses[s];
  return loss;
}

/** A counting sort: one thread, two passes over T·K numbers. */
void dispatch(const call::Dispatch& p) {
  int32_t* offsets = p.offsets;
  const int32_t* indices = p.indices;
  const ptrdiff_t T = p.T, E = p.E, K = p.K;
  clearBytes(offsets, (E + 1) * 4);
  for (ptrdiff_t i = 0; i < T * K; i++) offsets[indices[i] + 1]++;
  for (ptrdiff_t e = 0; e < E; e++) offsets[e + 1] += offsets[e];
  Scratch shared(Arena::kShared);
  int32_t* next = shared.take<int32_t>(E);
  copyBytes(next, offsets, E * 4);
  for (ptrdiff_t t = 0; t < T; t++) {
    for (ptrdiff_t i = t * K; i < (t + 1) * K; i++) {
      p.place[i] = next[indices[i]]++;
      p.tokens[p.place[i]] = (int32_t)t;
    }
  }
}

namespace {

void takeRow(float* to, const float* from, ptrdiff_t D) { copyRow(to, from, D); }
void takeRow(uint16_t* to, const float* from, ptrdiff_t D) { copyRow(to, from, D); }
void takeRow(uint16_t* to, const uint16_t* from, ptrdiff_t D) { copyBytes(to, from, D * 2); }
void takeRow(float* to, const uint16_t* from, ptrdiff_t D) {
  for (ptrdiff_t d = 0; d < D; d++) to[d] = loadBf16One(from + d);
}

}  // namespace

void gatherRows(const call::GatherRows& p) {
  const ptrdiff_t D = p.D;
  inItsType(p.out, [&](auto* out) {
    inItsType(p.x, [&](const auto* x) {
      parallelRange(p.J, rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
        for (ptrdiff_t j = from; j < to; j++) takeRow(out + j * D, x + (ptrdiff_t)p.rows[j] * D, D);
      });
    });
  });
}

namespace {

/** into[0…D) += factor · from[0…D) */
SHOAL_INLINE void addRow(float* into, const float* from, float factor, ptrdiff_t D) {
  ptrdiff_t d = 0;
  for (; d + kLanes <= D; d += kLanes) store(into + d, load(into + d) + splat(factor) * load(from + d));
  for (; d < D; d++) into[d] += factor * from[d];
}

}  // namespace

/** A task owns a range of dx's rows and meets their contributions in the order of j. */
void scatterRows(const call::ScatterRows& p) {
  const int32_t* rows = p.rows;
  const ptrdiff_t J = p.J, D = p.D;
  parallelRange(p.X, p.X / 16 + 1, [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t j = 0; j < J; j++)
      if (rows[j] >= from && rows[j] < to) addRow(p.dx + rows[j] * D, p.dy + j * D, 1, D);
  });
}

void combine(const call::Combine& p) {
  const ptrdiff_t K = p.K, D = p.D;
  parallelRange(p.T, rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t i = from * K; i < to * K; i++) addRow(p.out + i / K * D, p.y + (ptrdiff_t)p.place[i] * D, p.weights ? p.weights[i] : 1, D);
  });
}

void combineBackward(const call::CombineBackward& p) {
  const int32_t* place = p.place;
  const float* weights = p.weights;
  const ptrdiff_t K = p.K, D = p.D;
  const bool fresh = p.fresh;
  inItsType(p.dy, [&](auto* dy) {
    parallelRange(p.T, rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
      for (ptrdiff_t i = from * K; i < to * K; i++) {
        const float *gradient = p.dout + i / K * D, *row = p.y + (ptrdiff_t)place[i] * D;
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
        p.dWeights[i] += sum;
      }
    });
  });
}

}  // namespace SHOAL_ISA
