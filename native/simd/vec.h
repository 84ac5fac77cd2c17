// Vectors as wide as the instruction set allows, by the compilers' vector extensions: the same source is SSE, AVX2, AVX-512 or NEON.
// Everything here is static: the same name compiled for two instruction sets must never be merged by the linker.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if SHOAL_VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

#ifndef SHOAL_VECTOR_BYTES
#error "compile kernels through binding.gyp, which names the instruction set"
#endif

#define SHOAL_INLINE static inline __attribute__((always_inline))

namespace SHOAL_ISA {

constexpr int kLanes = SHOAL_VECTOR_BYTES / 4;
constexpr ptrdiff_t kPrefetchBytes = 4096;  // bytes by which memory is asked for ahead

typedef float Vf __attribute__((vector_size(SHOAL_VECTOR_BYTES)));
typedef int32_t Vi __attribute__((vector_size(SHOAL_VECTOR_BYTES)));
typedef uint32_t Vu __attribute__((vector_size(SHOAL_VECTOR_BYTES)));
typedef uint16_t Vh __attribute__((vector_size(SHOAL_VECTOR_BYTES / 2)));
// The same without alignment, for loads and stores anywhere.
typedef float VfAny __attribute__((vector_size(SHOAL_VECTOR_BYTES), aligned(4), may_alias));
typedef uint32_t VuAny __attribute__((vector_size(SHOAL_VECTOR_BYTES), aligned(4), may_alias));
typedef uint16_t VhAny __attribute__((vector_size(SHOAL_VECTOR_BYTES / 2), aligned(2), may_alias));

SHOAL_INLINE Vf load(const float* p) { return *(const VfAny*)p; }
SHOAL_INLINE void store(float* p, Vf v) { *(VfAny*)p = v; }
/** As store, to a place on the border of a vector, around the cache (non-temporal) where the instruction set can: `nonTemporalFence` before others read it. */
SHOAL_INLINE void storeNonTemporal(float* p, Vf v) {
#if SHOAL_VECTOR_BYTES == 64
  _mm512_stream_ps(p, (__m512)v);
#elif SHOAL_VECTOR_BYTES == 32
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}
SHOAL_INLINE void nonTemporalFence() {
#if SHOAL_VECTOR_BYTES >= 32
  _mm_sfence();
#endif
}
SHOAL_INLINE Vu loadBits(const float* p) { return *(const VuAny*)p; }
SHOAL_INLINE Vf splat(float x) { return x - Vf{}; }
SHOAL_INLINE Vf max(Vf a, Vf b) { return a > b ? a : b; }
SHOAL_INLINE Vf min(Vf a, Vf b) { return a < b ? a : b; }

SHOAL_INLINE Vf squareRoot(Vf v) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vf)_mm512_sqrt_ps((__m512)v);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vf)_mm256_sqrt_ps((__m256)v);
#else
  for (int lane = 0; lane < kLanes; lane++) v[lane] = __builtin_sqrtf(v[lane]);
  return v;
#endif
}

/** Sum of the lanes, by halves: the order is fixed. */
SHOAL_INLINE float lanesSum(Vf v) {
#if SHOAL_VECTOR_BYTES >= 32
#if SHOAL_VECTOR_BYTES == 64
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
#else
  const __m256 eight = (__m256)v;
#endif
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#endif
  float lanes[kLanes];
  store(lanes, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  return lanes[0];
}
SHOAL_INLINE float lanesMax(Vf v) {
#if SHOAL_VECTOR_BYTES >= 32
#if SHOAL_VECTOR_BYTES == 64
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
#else
  const __m256 eight = (__m256)v;
#endif
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
#endif
  float lanes[kLanes];
  store(lanes, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
}

/** Each number in the place of its neighbour: 1, 0, 3, 2, … */
SHOAL_INLINE Vf swapPairs(Vf v) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vf)_mm512_permute_ps((__m512)v, 0xb1);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vf)_mm256_permute_ps((__m256)v, 0xb1);
#else
  return Vf{v[1], v[0], v[3], v[2]};
#endif
}

constexpr int kTogether = kLanes == 16 ? 16 : 8;  // vectors of sums that fit the registers

/** The sum of each vector's lanes; a number is the same whatever stands beside it. */
SHOAL_INLINE void sumEach(const Vf v[kTogether], float* sums) {
#if SHOAL_VECTOR_BYTES == 64
  // Neighbours are added lane by lane until each lane holds a sum of its own: the same additions, in the same order, for all.
  __m512 a[8], b[4], c[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    a[i] = _mm512_add_ps(_mm512_unpacklo_ps((__m512)v[2 * i], (__m512)v[2 * i + 1]), _mm512_unpackhi_ps((__m512)v[2 * i], (__m512)v[2 * i + 1]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512d x = (__m512d)a[2 * i], y = (__m512d)a[2 * i + 1];
    b[i] = _mm512_add_ps((__m512)_mm512_unpacklo_pd(x, y), (__m512)_mm512_unpackhi_pd(x, y));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++)
    c[i] = _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88), _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xdd));
  _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_shuffle_f32x4(c[0], c[1], 0x88), _mm512_shuffle_f32x4(c[0], c[1], 0xdd)));
#elif SHOAL_VECTOR_BYTES == 32
  __m256 a[4], b[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    a[i] = _mm256_add_ps(_mm256_unpacklo_ps((__m256)v[2 * i], (__m256)v[2 * i + 1]), _mm256_unpackhi_ps((__m256)v[2 * i], (__m256)v[2 * i + 1]));
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    const __m256d x = (__m256d)a[2 * i], y = (__m256d)a[2 * i + 1];
    b[i] = _mm256_add_ps((__m256)_mm256_unpacklo_pd(x, y), (__m256)_mm256_unpackhi_pd(x, y));
  }
  _mm256_storeu_ps(sums, _mm256_add_ps(_mm256_permute2f128_ps(b[0], b[1], 0x20), _mm256_permute2f128_ps(b[0], b[1], 0x31)));
#else
  for (int i = 0; i < kTogether; i++) sums[i] = lanesSum(v[i]);
#endif
}

/** The first `count` < kLanes numbers at p; the other lanes are `fill`. */
SHOAL_INLINE Vf loadPart(const float* p, int count, float fill = 0) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; i++) lanes[i] = i < count ? p[i] : fill;
  return load(lanes);
}

// bf16: the upper half of an f32.
SHOAL_INLINE uint32_t bitsOf(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
SHOAL_INLINE float fromBits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
/** Bits of f32 numbers, rounded to nearest even in their upper halves (the lower halves hold rubbish). NaN stays NaN if its upper half says so. */
SHOAL_INLINE Vu roundBits(Vu bits) { return bits + 0x7fffu + ((bits >> 16) & 1u); }
SHOAL_INLINE uint32_t roundBits(uint32_t bits) { return bits + 0x7fffu + ((bits >> 16) & 1u); }
SHOAL_INLINE float roundToBf16(float x) { return fromBits(roundBits(bitsOf(x)) & 0xffff0000u); }
SHOAL_INLINE Vf roundToBf16(Vf x) { return (Vf)(roundBits((Vu)x) & 0xffff0000u); }
SHOAL_INLINE Vf loadBf16(const uint16_t* p) {
  // GCC 12 widens by halves where it is left to itself.
#if SHOAL_VECTOR_BYTES == 64
  return (Vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16);
#else
  Vh halves = *(const VhAny*)p;
  return (Vf)(__builtin_convertvector(halves, Vu) << 16);
#endif
}
SHOAL_INLINE float loadBf16One(const uint16_t* p) { return fromBits((uint32_t)*p << 16); }
/** As `store`, rounded to bf16, one number or a vector of them. */
SHOAL_INLINE void store(uint16_t* p, float x) { *p = (uint16_t)(roundBits(bitsOf(x)) >> 16); }
SHOAL_INLINE void store(uint16_t* p, Vf v) {
#if defined(SHOAL_BF16_DOT)
  const __m256bh rounded = _mm512_cvtneps_pbh((__m512)v);
  memcpy(p, &rounded, 32);
#elif SHOAL_VECTOR_BYTES == 32
  const __m256i upper = (__m256i)(roundBits((Vu)v) >> 16);
  _mm_storeu_si128((__m128i*)p, _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1)));
#else
  *(VhAny*)p = __builtin_convertvector(roundBits((Vu)v) >> 16, Vh);
#endif
}
SHOAL_INLINE void store(float* p, float x) { *p = x; }
/** The first `count` < kLanes of them. */
template <class T>
SHOAL_INLINE void storePart(T* p, Vf v, int count) {
  float lanes[kLanes];
  store(lanes, v);
  for (int i = 0; i < count; i++) store(p + i, lanes[i]);
}

/** exp, relative error below 2e-7 between −87 and 88; nothing, or next to it, below −87.3, +∞ or +∞-like saturation above 88. */
SHOAL_INLINE Vf exp(Vf x) {
#if SHOAL_VECTOR_BYTES == 64
  // NaN passes both bounds, which return their second operand then.
  const __m512 within = _mm512_min_ps(_mm512_set1_ps(89.0f), _mm512_max_ps(_mm512_set1_ps(-104.0f), (__m512)x));
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(within, _mm512_set1_ps(1.44269504f)), 0);
  const Vf rest = ((Vf)within - (Vf)whole * 0.693359375f) + (Vf)whole * 2.12194440e-4f;
  Vf sum = splat(1.9875691500e-4f);
  sum = sum * rest + 1.3981999507e-3f;
  sum = sum * rest + 8.3334519073e-3f;
  sum = sum * rest + 4.1665795894e-2f;
  sum = sum * rest + 1.6666665459e-1f;
  sum = sum * rest + 5.0000001201e-1f;
  return (Vf)_mm512_scalef_ps((__m512)(sum * rest * rest + rest + 1.0f), whole);
#else
  const Vf clamped = min(max(x, splat(-87.33654f)), splat(88.3f));
  // n = round(x / ln 2) by the magic number 1.5·2^23, which leaves the integer in the low bits.
  const Vf shifted = clamped * 1.44269504f + 12582912.0f;
  const Vf n = shifted - 12582912.0f;
  const Vf r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  Vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Vf power = (Vf)((((Vi)shifted - 0x4b400000) + 127) << 23);
  const Vf result = x < -87.33654f ? Vf{} : p * power;
  return x == x ? result : x;  // NaN stays NaN
#endif
}

/** 2 to the power of x ≤ 127, relative error below 3e-7, for softmax over scores already times log2 e; 0 below −149. */
SHOAL_INLINE Vf exp2(Vf x) {
#if SHOAL_VECTOR_BYTES == 64
  const __m512 whole = _mm512_roundscale_ps((__m512)x, 0);
  const Vf rest = x - (Vf)whole;
  Vf sum = splat(1.32764718e-3f);
  sum = sum * rest + 9.67554133e-3f;
  sum = sum * rest + 5.55071327e-2f;
  sum = sum * rest + 2.40221197e-1f;
  sum = sum * rest + 6.93146967e-1f;
  sum = sum * rest + 1.0f;
  return (Vf)_mm512_scalef_ps((__m512)sum, whole);
#else
  return exp(x * 0.693147181f);
#endif
}

/** 1 / x, relative error below 2e-7, of an x of at least 1; next to nothing from 1e38 on. */
SHOAL_INLINE Vf inverse(Vf x) {
#if SHOAL_VECTOR_BYTES == 64
  // An estimate of 14 bits and one step of Newton's: a division takes four times as long.
  const Vf finite = min(splat(1e38f), x), estimate = (Vf)_mm512_rcp14_ps((__m512)finite);
  return estimate * (2.0f - finite * estimate);
#else
  return 1.0f / x;
#endif
}
SHOAL_INLINE Vf sigmoid(Vf x) { return inverse(1.0f + exp(-x)); }


/** Σ a · b */
SHOAL_INLINE float dot(const float* a, const float* b, ptrdiff_t count) {
  Vf lanes = {};
  ptrdiff_t i = 0;
  for (; i + kLanes <= count; i += kLanes) lanes = lanes + load(a + i) * load(b + i);
  float sum = lanesSum(lanes);
  for (; i < count; i++) sum += a[i] * b[i];
  return sum;
}

/** A row of numbers in f32 as it is, or rounded to bf16. */
template <class T>
SHOAL_INLINE void copyRow(T* to, const float* from, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  for (; i < count; i++) store(to + i, from[i]);
}

/** Asks for a row ahead of time: rows that lie apart the processor does not foresee. */
template <class T>
SHOAL_INLINE void prefetchRow(const T* row, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += 64 / (ptrdiff_t)sizeof(T)) __builtin_prefetch(row + i);
}

}  // namespace SHOAL_ISA
