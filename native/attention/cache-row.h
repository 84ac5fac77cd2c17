// A row of the latent cache as it is written: of the kernel that writes many tokens' rows and of the decoding step alike.
#pragma once
#include <math.h>
#include <string.h>

#include "addon/buffer.h"
#include "simd/vec.h"

namespace SHOAL_ISA {

/** Codes of one part of a row: scale = largest / 127, to the nearest, halves up. */
static float roundPart(const float* x, ptrdiff_t n, int8_t* codes) {
  float largest = 0;
  for (ptrdiff_t i = 0; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  const double inverse = largest == 0 ? 0 : 127.0 / (double)largest;
  for (ptrdiff_t i = 0; i < n; i++) codes[i] = (int8_t)floor((double)x[i] * inverse + 0.5);
  return (float)((double)largest / 127.0);
}

/** Rows [c_kv (R) | k_rope (P)] in f32, bf16, or codes with two scales a row. */
struct CacheWriter {
  const Buffer& data;
  float* scales;
  ptrdiff_t R, P;

  void write(ptrdiff_t row, const float* cKv, const float* kRope) const {
    const ptrdiff_t at = row * (R + P);
    if (scales) {
      int8_t* codes = data.i8() + at;
      scales[row * 2] = roundPart(cKv, R, codes);
      scales[row * 2 + 1] = roundPart(kRope, P, codes + R);
    } else {
      inItsType(data, [&](auto* rows) {
        copyRow(rows + at, cKv, R);
        copyRow(rows + at + R, kRope, P);
      });
    }
  }
};

}  // namespace SHOAL_ISA
