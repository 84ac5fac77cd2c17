// The core of products with weights in 8 or 4 bits (panels of 16 rows, blocks of 32 along k) and activations rounded to 8 bits in blocks of 32.
// A block's sums are whole numbers, exact on every instruction set; only the sum over blocks is in f32.
#pragma once
#include "simd/vec.h"

namespace SHOAL_ISA {

constexpr int kBlock = 32;               // numbers of k that share a scale
constexpr int kPanel = 16;               // rows of a panel
constexpr int kQuads = kBlock / 4;       // a quad is 4 numbers of k: 4 bytes of each row stand together
constexpr int kParts = kPanel / kLanes;  // vectors of sums of a panel
constexpr int kMaxRows = 4;             // rows of activations that share a block's weights in registers

template <int bits>
constexpr ptrdiff_t bytesOf(ptrdiff_t weights) { return bits == 8 ? weights : weights / 2; }

/** How much too large codes are stored: sums begin at minus that much times the sum of the activations. */
template <int bits>
constexpr int kOffset = bits == 8 ? 128 : 8;

typedef Vu Codes;  // the codes of a quad, 4 bytes for each row of a part

SHOAL_INLINE Codes loadCodes(const uint8_t* p) { return *(const VuAny*)p; }

SHOAL_INLINE Vf toFloat(Vi x) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vf)_mm512_cvtepi32_ps((__m512i)x);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vf)_mm256_cvtepi32_ps((__m256i)x);
#else
  return __builtin_convertvector(x, Vf);
#endif
}

/** To the nearest whole number, ties to even. */
SHOAL_INLINE Vi nearest(Vf x) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vi)_mm512_cvtps_epi32((__m512)x);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vi)_mm256_cvtps_epi32((__m256)x);
#else
  Vi whole;
  for (int lane = 0; lane < kLanes; lane++) whole[lane] = (int32_t)__builtin_lrintf(x[lane]);
  return whole;
#endif
}

/** A quad's numbers of one row of activations, for every row of a part. */
SHOAL_INLINE Vi everywhere(const int8_t* quad) {
  int32_t four;
  memcpy(&four, quad, 4);
  return Vi{} + four;
}

/** sum + code · a over a quad, for each row of a part. AVX2's codes are signed here: an unsigned one times an activation, twice, would pass 2¹⁵. */
template <int bits>
SHOAL_INLINE Vi addQuad(Vi sum, Codes w, Vi a) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)a);
#elif SHOAL_VECTOR_BYTES == 32
  const __m256i ones = _mm256_set1_epi16(1);
  if (bits == 4) return (Vi)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)w, (__m256i)a), ones));
  const __m256i code = _mm256_xor_si256((__m256i)w, _mm256_set1_epi8((char)0x80));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8((__m256i)a, code));
  return (Vi)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16(pairs, ones));
#else
  const Vi codes = (Vi)w, low = Vi{} + 255;
  sum += (codes & low) * ((a << 24) >> 24) + ((codes >> 8) & low) * ((a << 16) >> 24);
  return sum + ((codes >> 16) & low) * ((a << 8) >> 24) + (Vi)(w >> 24) * (a >> 24);
#endif
}

/** Whether sums begin at −offset · Σ a (`starts`), because codes are taken as they are stored. */
template <int bits>
constexpr bool kUsesStarts = !(bits == 8 && SHOAL_VECTOR_BYTES == 32);

/** Rows of activations in 8 bits: codes [rows][K], and for each block its scale and what sums over it begin with. */
struct Activations {
  const int8_t* codes;
  const float* scales;
  const int32_t* starts;
};

/** How far from 0 the numbers of a block reach. */
SHOAL_INLINE float reachOf(const float* block) {
  Vf most = {};
  for (int v = 0; v < kBlock; v += kLanes) most = max(most, max(load(block + v), -load(block + v)));
  return lanesMax(most);
}

/** Rounds one block: scale = largest / 127, codes to the nearest (ties to even). Returns the codes' sum. */
SHOAL_INLINE int32_t roundBlock(const float* block, int8_t* codes, float* scale) {
  *scale = reachOf(block) / 127;
  const Vf inverse = splat(*scale == 0 ? 0 : 1 / *scale);
#if SHOAL_VECTOR_BYTES == 64
  const __m512i first = (__m512i)nearest(load(block) * inverse), second = (__m512i)nearest(load(block + 16) * inverse);
  _mm_storeu_si128((__m128i*)codes, _mm512_cvtepi32_epi8(first));
  _mm_storeu_si128((__m128i*)(codes + 16), _mm512_cvtepi32_epi8(second));
  return _mm512_reduce_add_epi32(_mm512_add_epi32(first, second));
#elif SHOAL_VECTOR_BYTES == 32
  __m256i n[4];
  for (int v = 0; v < 4; v++) n[v] = (__m256i)nearest(load(block + v * 8) * inverse);
  // Narrowed, a half of a vector holds four numbers of each of the four; the order puts them back.
  const __m256i narrow = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
  _mm256_storeu_si256((__m256i*)codes, _mm256_permutevar8x32_epi32(narrow, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  const __m256i eight = _mm256_add_epi32(_mm256_add_epi32(n[0], n[1]), _mm256_add_epi32(n[2], n[3]));
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
#else
  int32_t total = 0;
  for (int v = 0; v < kBlock; v += kLanes) {
    const Vi rounded = nearest(load(block + v) * inverse);
    for (int lane = 0; lane < kLanes; lane++) {
      codes[v + lane] = (int8_t)rounded[lane];
      total += rounded[lane];
    }
  }
  return total;
#endif
}

/** Panels of which M rows of activations share what is loaded of them, where registers suffice for their sums. Few rows wait for memory: it comes panel by panel. */
template <int M>
constexpr int kPanelsAtOnce = M == kMaxRows && kLanes == 16 ? 2 : 1;

/**
 * out[m][16 p …] (rows ldo apart) = rows[m] of the activations with the panels that begin at `codes`. Their sums run side by side, so that one does
 * not wait for its own last product; each is formed in the same order whatever M and `panels` are.
 */
template <int bits, int M, int panels>
SHOAL_INLINE void panelRows(const uint8_t* codes, const uint16_t* scales, const Activations& a, const ptrdiff_t* rows, ptrdiff_t K, float* out, ptrdiff_t ldo) {
  constexpr ptrdiff_t blockBytes = bytesOf<bits>(kPanel * kBlock);
  const ptrdiff_t blocks = K / kBlock;
  const int8_t* own[M];
  const float* ownScales[M];
  const int32_t* starts[M];
  for (int m = 0; m < M; m++) own[m] = a.codes + rows[m] * K, ownScales[m] = a.scales + rows[m] * blocks, starts[m] = a.starts + rows[m] * blocks;
  Vf sum[panels][M][kParts] = {};
  for (ptrdiff_t b = 0; b < blocks; b++) {
    const uint8_t* block = codes + b * blockBytes;
    // One row with 8 bits waits for nothing but memory, and the processor's own prefetching does as well.
    if (bits == 4 || M > 1)
      for (int p = 0; p < panels; p++)
        for (int line = 0; line < blockBytes; line += 64) __builtin_prefetch(block + p * blocks * blockBytes + kPrefetchBytes + line);
#pragma GCC unroll 4
    for (int part = 0; part < kParts; part++) {
      Vi whole[panels][M];
#pragma GCC unroll 2
      for (int p = 0; p < panels; p++)
#pragma GCC unroll 4
        for (int m = 0; m < M; m++) whole[p][m] = Vi{} + (kUsesStarts<bits> ? starts[m][b] : 0);
#pragma GCC unroll 8
      for (int q = 0; q < (bits == 8 ? kQuads : kQuads / 2); q++) {
        Codes first[panels], second[panels];
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++) {
          first[p] = loadCodes(block + p * blocks * blockBytes + q * kPanel * 4 + part * kLanes * 4);
          // Byte j of a quad in 4 bits holds number j of k in its low half, number j + 16 in its high half.
          if (bits == 4) {
            const Codes low = Codes{} + 0x0f0f0f0fu;
            second[p] = (first[p] >> 4) & low, first[p] &= low;
          }
        }
#pragma GCC unroll 4
        for (int m = 0; m < M; m++) {
          const Vi x = everywhere(own[m] + b * kBlock + q * 4);
#pragma GCC unroll 2
          for (int p = 0; p < panels; p++) whole[p][m] = addQuad<bits>(whole[p][m], first[p], x);
          if (bits == 8) continue;
          const Vi y = everywhere(own[m] + b * kBlock + kBlock / 2 + q * 4);
#pragma GCC unroll 2
          for (int p = 0; p < panels; p++) whole[p][m] = addQuad<bits>(whole[p][m], second[p], y);
        }
      }
#pragma GCC unroll 2
      for (int p = 0; p < panels; p++) {
        const Vf scale = loadBf16(scales + (p * blocks + b) * kPanel + part * kLanes);
#pragma GCC unroll 4
        for (int m = 0; m < M; m++) sum[p][m][part] = sum[p][m][part] + toFloat(whole[p][m]) * (scale * splat(ownScales[m][b]));
      }
    }
  }
  for (int p = 0; p < panels; p++)
    for (int m = 0; m < M; m++)
      for (int part = 0; part < kParts; part++) store(out + m * ldo + p * kPanel + part * kLanes, sum[p][m][part]);
}

/** panelRows for `count` panels one after the other. */
template <int bits, int M>
static void panelsRows(const uint8_t* codes, const uint16_t* scales, ptrdiff_t count, const Activations& a, const ptrdiff_t* rows, ptrdiff_t K, float* out, ptrdiff_t ldo) {
  const ptrdiff_t bytes = bytesOf<bits>(kPanel * K), numbers = kPanel * (K / kBlock);
  constexpr int together = kPanelsAtOnce<M>;
  ptrdiff_t p = 0;
  for (; p + together <= count; p += together) panelRows<bits, M, together>(codes + p * bytes, scales + p * numbers, a, rows, K, out + p * kPanel, ldo);
  for (; p < count; p++) panelRows<bits, M, 1>(codes + p * bytes, scales + p * numbers, a, rows, K, out + p * kPanel, ldo);
}

}  // namespace SHOAL_ISA
