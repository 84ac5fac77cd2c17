// Dot products of a few rows of activations with rows of weights, of short rows as many at once as there are registers for their sums. A sum is added up
// in the same order whichever others are formed with it.
#pragma once
#include "runtime/bytes.h"
#include "simd/mat.h"
#include "simd/vec.h"

namespace SHOAL_ISA {

SHOAL_INLINE Vf loadAs(const float* p) { return load(p); }
SHOAL_INLINE Vf loadAs(const uint16_t* p) { return loadBf16(p); }
SHOAL_INLINE float loadOneAs(const float* p) { return *p; }
SHOAL_INLINE float loadOneAs(const uint16_t* p) { return loadBf16One(p); }

/** Activations in f32, weights as T. */
template <class T>
struct WideDot {
  typedef float Number;
  typedef T Weight;
  typedef Vf Vector;
  static constexpr int step = kLanes;
  SHOAL_INLINE Vf activations(const float* x) { return load(x); }
  SHOAL_INLINE Vf weights(const T* w) { return loadAs(w); }
  SHOAL_INLINE Vf activationsPart(const float* x, int n) { return loadPart(x, n); }
  SHOAL_INLINE Vf weightsPart(const T* w, int n) {
    float wide[kLanes] = {};
    for (int i = 0; i < n; i++) wide[i] = loadOneAs(w + i);
    return load(wide);
  }
  SHOAL_INLINE Vf add(Vf sum, Vf x, Vf w) { return sum + x * w; }
};

/** WideDot for weights that are rounded to bf16 on the way. */
struct RoundedDot : WideDot<float> {
  SHOAL_INLINE Vf weights(const float* w) { return roundToBf16(load(w)); }
  SHOAL_INLINE Vf weightsPart(const float* w, int n) { return roundToBf16(loadPart(w, n)); }
};

#if defined(SHOAL_BF16_DOT)
/** Both in bf16, two products to a lane. */
struct HalvesDot {
  typedef uint16_t Number;
  typedef uint16_t Weight;
  typedef __m512bh Vector;
  static constexpr int step = 32;
  SHOAL_INLINE __m512bh activations(const uint16_t* x) { return (__m512bh)_mm512_loadu_si512(x); }
  SHOAL_INLINE __m512bh weights(const uint16_t* w) { return (__m512bh)_mm512_loadu_si512(w); }
  SHOAL_INLINE __m512bh activationsPart(const uint16_t* x, int n) { return (__m512bh)_mm512_maskz_loadu_epi16((__mmask32)(((uint64_t)1 << n) - 1), x); }
  SHOAL_INLINE __m512bh weightsPart(const uint16_t* w, int n) { return activationsPart(w, n); }
  SHOAL_INLINE Vf add(Vf sum, __m512bh x, __m512bh w) { return (Vf)_mm512_dpbf16_ps((__m512)sum, x, w); }
};
#endif

constexpr ptrdiff_t kLongRow = 1024;  // rows of so many bytes come from memory at its best one after the other, and their sums' lanes weigh little

/** M rows of activations with `lines` rows of weights, one after the other from w on. Those behind them are asked for in the order of memory. */
template <int M, int lines, class Dot>
SHOAL_INLINE void dotsOfLines(const typename Dot::Number* const* x, ptrdiff_t K, const typename Dot::Weight* w, ptrdiff_t ldw, float* out, ptrdiff_t ldo) {
  constexpr ptrdiff_t size = sizeof(*w);
  const char* ahead = (const char*)w + (lines * ldw * size > kPrefetchBytes ? lines * ldw * size : kPrefetchBytes);
  Vf sums[kTogether] = {};
  ptrdiff_t k = 0;
  for (; k + Dot::step <= K; k += Dot::step) {
    typename Dot::Vector own[M];
#pragma GCC unroll 4
    for (int m = 0; m < M; m++) own[m] = Dot::activations(x[m] + k);
    const bool asks = k * size % 64 == 0;
#pragma GCC unroll 16
    for (int l = 0; l < lines; l++) {
      if (asks) __builtin_prefetch(ahead + l * 64);
      const typename Dot::Vector weights = Dot::weights(w + l * ldw + k);
#pragma GCC unroll 4
      for (int m = 0; m < M; m++) sums[m * lines + l] = Dot::add(sums[m * lines + l], own[m], weights);
    }
    if (asks) ahead += lines * 64;
  }
  if (k < K) {
    const int rest = (int)(K - k);
    typename Dot::Vector own[M];
    for (int m = 0; m < M; m++) own[m] = Dot::activationsPart(x[m] + k, rest);
#pragma GCC unroll 16
    for (int l = 0; l < lines; l++) {
      const typename Dot::Vector weights = Dot::weightsPart(w + l * ldw + k, rest);
#pragma GCC unroll 4
      for (int m = 0; m < M; m++) sums[m * lines + l] = Dot::add(sums[m * lines + l], own[m], weights);
    }
  }
  float all[kTogether];
  sumEach(sums, all);
  for (int m = 0; m < M; m++) copyBytes(out + m * ldo, all + m * lines, lines * 4);
}

/** M rows of activations with one long row of weights. */
template <int M, class Dot>
SHOAL_INLINE void dotsOfLine(const typename Dot::Number* const* x, ptrdiff_t K, const typename Dot::Weight* w, float* out, ptrdiff_t ldo) {
  Vf sums[M][2] = {};
  ptrdiff_t k = 0;
  for (; k + 2 * Dot::step <= K; k += 2 * Dot::step) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      const ptrdiff_t at = k + i * Dot::step;
      if (i == 0 || Dot::step * sizeof(*w) == 64) __builtin_prefetch((const char*)(w + at) + kPrefetchBytes);
      const typename Dot::Vector weights = Dot::weights(w + at);
#pragma GCC unroll 4
      for (int m = 0; m < M; m++) sums[m][i] = Dot::add(sums[m][i], Dot::activations(x[m] + at), weights);
    }
  }
  for (; k < K; k += Dot::step) {
    const int rest = (int)(K - k < Dot::step ? K - k : Dot::step);
    const typename Dot::Vector weights = Dot::weightsPart(w + k, rest);
    for (int m = 0; m < M; m++) sums[m][0] = Dot::add(sums[m][0], Dot::activationsPart(x[m] + k, rest), weights);
  }
  for (int m = 0; m < M; m++) out[m * ldo] = lanesSum(sums[m][0] + sums[m][1]);
}

/** out[m][c] = rows[m] of the activations [.,K] · row c of the weights, which are ldw numbers apart. out has M rows. */
template <int M, class Dot>
__attribute__((noinline)) void dots(const typename Dot::Number* activations, ptrdiff_t K, const ptrdiff_t* rows, const typename Dot::Weight* w, ptrdiff_t ldw, const Mat& out) {
  constexpr int lines = kTogether / (M == 3 ? 4 : M);
  const typename Dot::Number* x[M];
  for (int m = 0; m < M; m++) x[m] = activations + rows[m] * K;
  ptrdiff_t c = 0;
  if (K * (ptrdiff_t)sizeof(*w) >= kLongRow)
    for (; c < out.cols; c++) dotsOfLine<M, Dot>(x, K, w + c * ldw, out.data + c, out.stride);
  for (; c + lines <= out.cols; c += lines) dotsOfLines<M, lines, Dot>(x, K, w + c * ldw, ldw, out.data + c, out.stride);
  for (; c < out.cols; c++) dotsOfLines<M, 1, Dot>(x, K, w + c * ldw, ldw, out.data + c, out.stride);
}

}  // namespace SHOAL_ISA
