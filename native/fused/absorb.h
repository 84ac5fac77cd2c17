// The absorbed form's first product: a head's queries meet the rows of kv_b_proj that make keys of latents, so that they can meet the latents themselves.
#pragma once
#include "fused/rows.h"

namespace SHOAL_ISA {

/** Rows of M queries, and where what a matrix [N,R] makes of them goes: out[m][r] = Σ_n q[m][n] · w[n][r]. */
struct Absorbed {
  float* out[kRowsAtOnce];
  const float* q[kRowsAtOnce];
  ptrdiff_t N, R;
};

constexpr ptrdiff_t kPrefetchRows = 8;

/** Prefetches the row that comes kPrefetchRows after row n of a matrix, or one of the matrix that is read after it. */
template <class T>
SHOAL_INLINE void prefetchNext(const Absorbed& a, const T* w, const T* next, ptrdiff_t n) {
  const T* row = n + kPrefetchRows < a.N ? w + (n + kPrefetchRows) * a.R : next + (n + kPrefetchRows - a.N) * a.R;
  prefetchRow(row, a.R);
}

/** `vectors` vectors of columns from r on, of M queries. */
template <int M, int vectors, class T>
SHOAL_INLINE void absorbColumns(const Absorbed& a, const T* w, const T* next, ptrdiff_t r) {
  Vf sum[M][vectors] = {};
  for (ptrdiff_t n = 0; n < a.N; n++) {
    if (r == 0) prefetchNext(a, w, next, n);
    Vf row[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) row[v] = loadAs(w + n * a.R + r + v * kLanes);
#pragma GCC unroll 4
    for (int m = 0; m < M; m++) {
      const Vf x = splat(a.q[m][n]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) sum[m][v] = sum[m][v] + x * row[v];
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) store(a.out[m] + r + v * kLanes, sum[m][v]);
}

#if defined(SHOAL_BF16_DOT)
/** The same for queries that are rounded to bf16, `pairs` · 32 columns: two rows of the matrix meet two numbers of a query at a time. */
template <int M, int pairs>
SHOAL_INLINE void absorbPairs(const Absorbed& a, const uint16_t* w, const uint16_t* next, ptrdiff_t r) {
  __m512 even[M][pairs] = {}, odd[M][pairs] = {};
  for (ptrdiff_t n = 0; n < a.N; n += 2) {
    if (r == 0) prefetchNext(a, w, next, n), prefetchNext(a, w, next, n + 1);
    __m512i low[pairs], high[pairs];
#pragma GCC unroll 8
    for (int v = 0; v < pairs; v++) {
      const __m512i first = _mm512_loadu_si512(w + n * a.R + r + v * 32), second = _mm512_loadu_si512(w + (n + 1) * a.R + r + v * 32);
      low[v] = _mm512_unpacklo_epi16(first, second), high[v] = _mm512_unpackhi_epi16(first, second);
    }
#pragma GCC unroll 4
    for (int m = 0; m < M; m++) {
      const __m512bh two = (__m512bh)_mm512_set1_epi32((int)(bitsOf(a.q[m][n]) >> 16 | (bitsOf(a.q[m][n + 1]) & 0xffff0000u)));
#pragma GCC unroll 8
      for (int v = 0; v < pairs; v++) {
        even[m][v] = _mm512_dpbf16_ps(even[m][v], two, (__m512bh)low[v]);
        odd[m][v] = _mm512_dpbf16_ps(odd[m][v], two, (__m512bh)high[v]);
      }
    }
  }
  // `even` has the first four of each eight columns.
  const __m512i front = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23), back = _mm512_add_epi32(front, _mm512_set1_epi32(8));
#pragma GCC unroll 4
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int v = 0; v < pairs; v++) {
      _mm512_storeu_ps(a.out[m] + r + v * 32, _mm512_permutex2var_ps(even[m][v], front, odd[m][v]));
      _mm512_storeu_ps(a.out[m] + r + v * 32 + 16, _mm512_permutex2var_ps(even[m][v], back, odd[m][v]));
    }
}
#endif

/** Columns from r on, as many vectors at once as there are. */
template <int M, int vectors, class T>
static void absorbFrom(const Absorbed& a, const T* w, const T* next, ptrdiff_t r) {
  for (; r + vectors * kLanes <= a.R; r += vectors * kLanes) absorbColumns<M, vectors>(a, w, next, r);
  if constexpr (vectors > 1) return absorbFrom<M, vectors / 2>(a, w, next, r);
  for (; r < a.R; r++) {
    for (int m = 0; m < M; m++) {
      float sum = 0;
      for (ptrdiff_t n = 0; n < a.N; n++) sum += a.q[m][n] * loadOneAs(w + n * a.R + r);
      a.out[m][r] = sum;
    }
  }
}

#if defined(SHOAL_BF16_DOT)
/** The same for pairs; returns the first column that is left. */
template <int M, int pairs>
static ptrdiff_t absorbPairsFrom(const Absorbed& a, const uint16_t* w, const uint16_t* next, ptrdiff_t r) {
  for (; r + pairs * 32 <= a.R; r += pairs * 32) absorbPairs<M, pairs>(a, w, next, r);
  if constexpr (pairs > 1) return absorbPairsFrom<M, pairs / 2>(a, w, next, r);
  return r;
}
#endif

template <int M, class T>
static void absorb(const Absorbed& a, const T* w, const T* next) {
  ptrdiff_t r = 0;
#if defined(SHOAL_BF16_DOT)
  if constexpr (sizeof(T) == 2)
    if (a.N % 2 == 0) r = absorbPairsFrom<M, 8 / M>(a, w, next, r);
#endif
  absorbFrom<M, M == 1 ? 8 : 4>(a, w, next, r);
}

/** M ≤ kRowsAtOnce queries with a matrix, and the matrix that will be read after it. */
template <class T>
static void absorb(int M, const Absorbed& a, const T* w, const T* next) {
  if (M == kRowsAtOnce) return absorb<kRowsAtOnce>(a, w, next);
  for (int m = 0; m < M; m++) absorb<1>({{a.out[m]}, {a.q[m]}, a.N, a.R}, w, next);
}

}  // namespace SHOAL_ISA
