// RMSNorm and rotary embedding.
#include "norm/contract.h"
#include "norm/norm.h"
#include "runtime/arena.h"
#include "runtime/pool.h"

namespace SHOAL_ISA {
namespace {

/** A norm's weight as f32: itself, or converted into shared memory. */
const float* weightOf(const ConstBuffer& w, ptrdiff_t D, Scratch& shared) {
  if (!w.isBf16()) return w.f32();
  float* copy = shared.take<float>(D);
  for (ptrdiff_t d = 0; d < D; d++) copy[d] = loadBf16One(w.bf16() + d);
  return copy;
}

ptrdiff_t rowsPerTask(ptrdiff_t D) { return 1 + 16384 / (D + 1); }

}  // namespace

void rmsNorm(const call::RmsNorm& p) {
  Scratch shared(Arena::kShared);
  const float* w = weightOf(p.w, p.D, shared);
  inItsType(p.out, [&](auto* out) {
    parallelRange(p.T, rowsPerTask(p.D), [&](ptrdiff_t from, ptrdiff_t to) {
      for (ptrdiff_t t = from; t < to; t++) p.rstd[t] = normRow(p.x + t * p.ldx, w, p.D, p.eps, out + t * p.ldo);
    });
  });
}

namespace {

constexpr ptrdiff_t kWeightBlocks = 32;  // partial sums of dw: a fixed number, so that their order does not hang on threads

}  // namespace

void rmsNormBackward(const call::RmsNormBackward& p) {
  const ptrdiff_t T = p.T, D = p.D;
  const float* w = p.w;
  Scratch shared(Arena::kShared);
  float* partial = shared.take<float>(kWeightBlocks * D);
  parallelFor(kWeightBlocks, [&](ptrdiff_t block) {
    float* sums = partial + block * D;
    for (ptrdiff_t d = 0; d < D; d++) sums[d] = 0;
    for (ptrdiff_t t = T * block / kWeightBlocks; t < T * (block + 1) / kWeightBlocks; t++) {
      const float *row = p.x + t * p.ldx, *gradient = p.dy + t * p.lddy;
      float* into = p.dx + t * p.lddx;
      const float r = p.rstd[t];
      Vf lanes = {};
      ptrdiff_t d = 0;
      for (; d + kLanes <= D; d += kLanes) lanes = lanes + load(gradient + d) * load(w + d) * load(row + d);
      float projection = lanesSum(lanes);
      for (; d < D; d++) projection += gradient[d] * w[d] * row[d];
      projection *= r / (float)D;
      for (d = 0; d + kLanes <= D; d += kLanes) {
        const Vf u = load(row + d) * splat(r), g = load(gradient + d);
        store(into + d, load(into + d) + splat(r) * (g * load(w + d) - u * splat(projection)));
        store(sums + d, load(sums + d) + g * u);
      }
      for (; d < D; d++) {
        const float u = row[d] * r;
        into[d] += r * (gradient[d] * w[d] - u * projection);
        sums[d] += gradient[d] * u;
      }
    }
  });
  for (ptrdiff_t block = 0; block < kWeightBlocks; block++)
    for (ptrdiff_t d = 0; d < D; d++) p.dw[d] += partial[block * D + d];
}

void rope(const call::Rope& p) {
  const ptrdiff_t H = p.H, half = p.P / 2;
  const bool interleaved = p.interleaved;
  const float sign = p.inverse ? -1.0f : 1.0f;
  const ptrdiff_t pairStep = interleaved ? 2 : 1, second = interleaved ? 1 : half;
  parallelRange(p.T, 1 + 8192 / (H * half + 1), [&](ptrdiff_t from, ptrdiff_t to) {
    // What each number of an interleaved pair, and what its neighbor, is multiplied by: the same for every head.
    Scratch memory;
    float* own = memory.take<float>(2 * half + kLanes);
    float* neighbour = memory.take<float>(2 * half + kLanes);
    for (ptrdiff_t t = from; t < to; t++) {
      const float *c = p.cos + p.positions[t] * half, *s = p.sin + p.positions[t] * half;
      ptrdiff_t whole = 0;
      if (interleaved && 2 * half >= kLanes) {
        whole = 2 * half / kLanes * kLanes;
        for (ptrdiff_t i = 0; i < half; i++) {
          own[2 * i] = own[2 * i + 1] = c[i];
          neighbour[2 * i] = -sign * s[i];
          neighbour[2 * i + 1] = sign * s[i];
        }
      }
      for (ptrdiff_t h = 0; h < H; h++) {
        float* head = p.x + t * p.ld + h * p.headStride;
        for (ptrdiff_t i = 0; i < whole; i += kLanes) {
          const Vf v = load(head + i);
          store(head + i, v * load(own + i) + swapPairs(v) * load(neighbour + i));
        }
        for (ptrdiff_t i = whole / 2; i < half; i++) {
          float *a = head + i * pairStep, *b = a + second;
          const float first = *a, other = *b, sine = sign * s[i];
          *a = first * c[i] - other * sine;
          *b = first * sine + other * c[i];
        }
      }
    }
  });
}

}  // namespace SHOAL_ISA
