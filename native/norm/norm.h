// RMSNorm of one row.
#pragma once
#include "simd/vec.h"

namespace SHOAL_ISA {

/** to[d] = x[d] · rstd · w[d], in f32 or rounded to bf16. Returns rstd. */
template <class T>
static inline float normRow(const float* x, const float* w, ptrdiff_t D, double eps, T* to) {
  const float r = (float)(1.0 / __builtin_sqrt((double)dot(x, x, D) / (double)D + eps));
  ptrdiff_t d = 0;
  for (; d + kLanes <= D; d += kLanes) store(to + d, load(x + d) * splat(r) * load(w + d));
  for (; d < D; d++) store(to + d, x[d] * r * w[d]);
  return r;
}

}  // namespace SHOAL_ISA
