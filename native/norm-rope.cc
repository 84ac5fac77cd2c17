// RMSNorm and rotary embedding.
#include "args.h"
#include "norm.h"
#include "pool.h"

namespace SHOAL_ISA {
namespace {

/** A norm's weight as f32: itself, or converted into shared scratch. */
const float* weightOf(const Arg& w, ptrdiff_t D) {
  if (!w.isBf16()) return w.f32();
  float* copy = (float*)sharedScratch(3, (size_t)D * 4);
  for (ptrdiff_t d = 0; d < D; d++) copy[d] = loadBf16One(w.bf16() + d);
  return copy;
}

ptrdiff_t rowsPerTask(ptrdiff_t D) { return 1 + 16384 / (D + 1); }

/** out (f32 or bf16), rstd, x, w, T, D, eps, ldx, ldo */
double rmsNorm(const Arg* args) {
  float* rstd = args[1].f32();
  const float* x = args[2].f32();
  const ptrdiff_t T = args[4].size(), D = args[5].size(), ldx = args[7].size(), ldo = args[8].size();
  const float* w = weightOf(args[3], D);
  const double eps = args[6].number;
  return inItsType(args[0], [&](auto* out) {
    parallelRange(T, rowsPerTask(D), [&](ptrdiff_t from, ptrdiff_t to) {
      for (ptrdiff_t t = from; t < to; t++) rstd[t] = normRow(x + t * ldx, w, D, eps, out + t * ldo);
    });
  });
}

constexpr ptrdiff_t kWeightBlocks = 32;  // partial sums of dw: a fixed number, so that their order does not hang on threads

/** dx, dw, dy, x, w, rstd, T, D, ldx, lddx, lddy */
double rmsNormBackward(const Arg* args) {
  float *dx = args[0].f32(), *dw = args[1].f32();
  const float *dy = args[2].f32(), *x = args[3].f32(), *w = args[4].f32(), *rstd = args[5].f32();
  const ptrdiff_t T = args[6].size(), D = args[7].size(), ldx = args[8].size(), lddx = args[9].size(), lddy = args[10].size();
  float* partial = (float*)sharedScratch(3, (size_t)(kWeightBlocks * D + 1) * 4);
  parallelFor(kWeightBlocks, [&](ptrdiff_t block) {
    float* sums = partial + block * D;
    for (ptrdiff_t d = 0; d < D; d++) sums[d] = 0;
    for (ptrdiff_t t = T * block / kWeightBlocks; t < T * (block + 1) / kWeightBlocks; t++) {
      const float *row = x + t * ldx, *gradient = dy + t * lddy;
      float* into = dx + t * lddx;
      const float r = rstd[t];
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
    for (ptrdiff_t d = 0; d < D; d++) dw[d] += partial[block * D + d];
  return 0;
}

/** x, positions, cos, sin, T, H, P, ld, headStride, interleaved, inverse */
double rope(const Arg* args) {
  float* x = args[0].f32();
  const int32_t* positions = args[1].i32();
  const float *cosines = args[2].f32(), *sines = args[3].f32();
  const ptrdiff_t T = args[4].size(), H = args[5].size(), half = args[6].size() / 2, ld = args[7].size(), headStride = args[8].size();
  const bool interleaved = args[9].flag();
  const float sign = args[10].flag() ? -1.0f : 1.0f;
  const ptrdiff_t pairStep = interleaved ? 2 : 1, second = interleaved ? 1 : half;
  parallelRange(T, 1 + 8192 / (H * half + 1), [&](ptrdiff_t from, ptrdiff_t to) {
    // Of interleaved pairs, what each number and what its neighbour is multiplied by: the same for every head.
    float* own = (float*)scratch(2, (size_t)(4 * half + 2 * kLanes) * 4);
    float* neighbour = own + 2 * half + kLanes;
    for (ptrdiff_t t = from; t < to; t++) {
      const float *c = cosines + positions[t] * half, *s = sines + positions[t] * half;
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
        float* head = x + t * ld + h * headStride;
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
  return 0;
}

}  // namespace

extern const Entry normRopeFamily[] = {{"rmsNorm", rmsNorm}, {"rmsNormBackward", rmsNormBackward}, {"rope", rope}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
