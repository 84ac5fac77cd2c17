// Packing with AVX2, where a unit is one f32: eight units at a time. The general routines in gemm.h say what is packed where.
#pragma once
#if SHOAL_VECTOR_BYTES == 32
#include "simd/vec.h"

namespace SHOAL_ISA {

/** Eight units, rounded to bf16 where asked. */
template <bool round>
SHOAL_INLINE __m256 eightUnits(const float* p) { return (__m256)(round ? roundToBf16(load(p)) : load(p)); }
template <bool round>
SHOAL_INLINE __m256 eightUnits(const uint16_t* p) { return (__m256)loadBf16(p); }

/** Eight lines' numbers of k, `units` of each, stored across: dst[unit·unitStride + line]. Returns the units done: whole blocks of 8. */
template <bool round, class T>
static inline int packColumns256(uint32_t* dst, ptrdiff_t unitStride, const T* src, ptrdiff_t lineStep, int units) {
  int u = 0;
  for (; u + 8 <= units; u += 8) {
    __m256 r[8], t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) r[i] = eightUnits<round>(src + i * lineStep + u);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]), t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44), r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
      r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44), r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      _mm256_storeu_ps((float*)dst + (u + i) * unitStride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
      _mm256_storeu_ps((float*)dst + (u + i + 4) * unitStride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
  }
  return u;
}

/** Lines of one k as panels of six, `stride` units apart. Returns the lines done: those behind whose panel two more can be read. */
template <bool round, class T>
static inline int packSixes256(uint32_t* dst, ptrdiff_t stride, const T* src, int lines) {
  int line = 0;
  for (; line + 8 <= lines; line += 6, dst += stride) {
    const __m256 eight = eightUnits<round>(src + line);
    _mm_storeu_ps((float*)dst, _mm256_castps256_ps128(eight));
    _mm_storel_pi((__m64*)(dst + 4), _mm256_extractf128_ps(eight, 1));
  }
  return line;
}

}  // namespace SHOAL_ISA
#endif
