// Packing of bf16 pairs with AVX-512: sixteen units at a time. The general routines in gemm.h say what is packed where.
#pragma once
#if defined(SHOAL_BF16_DOT)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace SHOAL_ISA {

/** 32 numbers along k as 16 units, rounded to bf16. */
static inline __m512i pairsAlong(const float* p) {
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(p + 16), _mm512_loadu_ps(p));
}
static inline __m512i pairsAlong(const uint16_t* p) { return _mm512_loadu_si512(p); }

/** Pairs (a, b) rounded to bf16. */
static inline __m512i alternate(__m512 a, __m512 b) {
  // Rounded, the first sixteen stand below the second sixteen: they are to alternate.
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

/** Up to 16 lines at k and k + 1 (null: 0) as 16 units. */
static inline __m512i pairsAcross(const float* first, const float* second, __mmask16 lines) {
  const __m512 a = _mm512_maskz_loadu_ps(lines, first);
  return alternate(a, second ? _mm512_maskz_loadu_ps(lines, second) : _mm512_setzero_ps());
}
static inline __m512i pairsAcross(const uint16_t* first, const uint16_t* second, __mmask16 lines) {
  const __m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lines, first));
  if (!second) return a;
  return _mm512_or_si512(a, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lines, second)), 16));
}

/** Transposes 16 rows of 16 units. */
static inline void transpose16(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

/** Whole blocks of 16 units of one line, contiguous. Returns the units done. */
template <class T>
static inline int packLine512(uint32_t* dst, const T* src, int units) {
  int u = 0;
  for (; u + 16 <= units; u += 16) _mm512_storeu_si512(dst + u, pairsAlong(src + 2 * u));
  return u;
}

/** Whole blocks of 16 units of up to 16 lines, as columns `stride` units apart; lines that there are not become 0. Returns the units done. */
template <class T>
static inline int packColumns512(uint32_t* dst, ptrdiff_t stride, const T* src, ptrdiff_t lineStep, int lines, int units) {
  int u = 0;
  for (; u + 16 <= units; u += 16) {
    __m512i rows[16];
    for (int line = 0; line < 16; line++)
      rows[line] = line < lines ? pairsAlong(src + line * lineStep + 2 * u) : _mm512_setzero_si512();
    transpose16(rows);
    for (int i = 0; i < 16; i++) _mm512_storeu_si512(dst + (u + i) * stride, rows[i]);
  }
  return u;
}

/** One unit of `lines` lines, `width` ≤ 32 places of which those beyond become 0. */
template <class T>
static inline void packAcross512(uint32_t* dst, int width, const T* first, const T* second, int lines) {
  for (int from = 0; from < width; from += 16) {
    const int here = lines - from < 0 ? 0 : lines - from < 16 ? lines - from : 16;
    const int places = width - from < 16 ? width - from : 16;
    const __m512i units = pairsAcross(first + from, second ? second + from : nullptr, (__mmask16)((1u << here) - 1));
    _mm512_mask_storeu_epi32(dst + from, (__mmask16)((1u << places) - 1), units);
  }
}

/**
 * Lines that run contiguously at each k, transposed into rows of units: dst[line·stride + unit], lines and units up to multiples of 16 becoming 0. Whole rows of
 * the source are read, because lines of a wide matrix lie far apart from one k to the next.
 */
template <class T>
static inline void transposeRows512(uint32_t* dst, ptrdiff_t stride, const T* src, ptrdiff_t kStep, int lines, int K) {
  for (int k = 0; k < K; k += 32) {
    for (int line = 0; line < lines; line += 16) {
      const int width = lines - line < 16 ? lines - line : 16;
      const __mmask16 mask = (__mmask16)((1u << width) - 1);
      __m512i rows[16];
      for (int u = 0; u < 16; u++) {
        const int at = k + 2 * u;
        const T* first = src + (ptrdiff_t)at * kStep + line;
        rows[u] = at >= K ? _mm512_setzero_si512() : pairsAcross(first, at + 1 < K ? first + kStep : nullptr, mask);
      }
      transpose16(rows);
      for (int r = 0; r < 16; r++) _mm512_storeu_si512(dst + (line + r) * stride + k / 2, rows[r]);
    }
  }
}

constexpr int kTransposedRows = 12;  // rows of a panel of A that comes transposed

/**
 * One unit of up to 96 lines into panels of 12, `panelStride` units apart: 48 lines are three vectors, and those four panels. Places beyond the
 * lines become 0. Rows of a wide matrix lie far apart, so those of later units are asked for ahead of time.
 */
template <class T>
static inline void packPanels512(uint32_t* dst, ptrdiff_t panelStride, const T* first, const T* second, ptrdiff_t ahead, int lines) {
  constexpr __mmask16 twelve = 0x0fff;
  for (int from = 0; from < lines; from += 16 * (int)(4 / sizeof(T))) {
    __builtin_prefetch(first + ahead + from);
    if (second) __builtin_prefetch(second + ahead + from);
  }
  for (int from = 0; from < lines; from += 48, dst += 4 * panelStride) {
    __m512i v[3];
    for (int i = 0; i < 3; i++) {
      const int at = from + i * 16, here = lines - at < 0 ? 0 : lines - at < 16 ? lines - at : 16;
      v[i] = here == 0 ? _mm512_setzero_si512() : pairsAcross(first + at, second ? second + at : nullptr, (__mmask16)((1u << here) - 1));
    }
    _mm512_mask_storeu_epi32(dst, twelve, v[0]);
    if (lines - from > 12) _mm512_mask_storeu_epi32(dst + panelStride, twelve, _mm512_alignr_epi32(v[1], v[0], 12));
    if (lines - from > 24) _mm512_mask_storeu_epi32(dst + 2 * panelStride, twelve, _mm512_alignr_epi32(v[2], v[1], 8));
    if (lines - from > 36) _mm512_mask_storeu_epi32(dst + 3 * panelStride, twelve, _mm512_alignr_epi32(v[2], v[2], 4));
  }
}

}  // namespace SHOAL_ISA
#endif
