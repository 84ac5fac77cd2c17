// Transposed products, for the tile unit: outᵀ = w · xᵀ. Tiles take A by rows, and weights are stored in such rows, so they are multiplied as they
// are; tokens are what is packed, in panels of 32. Sums come out as tiles of [32 numbers][32 tokens], which the next product takes as they are.
#pragma once
#if defined(SHOAL_TILES)
#include "gemm/gemm.h"

namespace SHOAL_ISA {

constexpr int kTokens = kNR;                // tokens of a panel
constexpr int kTile = kMR * kTokens;        // sums of a tile
constexpr int kPanels = 8;                  // panels that weights pass by together, while they are in the nearest cache
constexpr int kBlockTokens = kPanels * kTokens;
constexpr int kDepth = 384;                 // numbers of k at a time, at most: 32 rows of weights stay in L1 beside a panel

constexpr ptrdiff_t kNonTemporalNumbers = (ptrdiff_t)1 << 20;  // numbers
constexpr float kLog2E = 1.44269504f;

/** Where the rows of 32 tokens begin; null beyond the last one. */
template <class T>
struct Rows32 {
  T* at[kTokens];
};
template <class T>
using TokenRows = Rows32<const T>;  // f32 or bf16
typedef Rows32<float> OutRows;

/** Rows `step` numbers apart, of which `count` (or all 32) are there. */
template <class T>
static Rows32<T> rowsFrom(T* first, ptrdiff_t step, ptrdiff_t count) {
  Rows32<T> rows;
  for (int t = 0; t < kTokens; t++) rows.at[t] = t < count ? first + t * step : nullptr;
  return rows;
}

/** Prefetches rows in the order of memory: transposing goes across them, line by line, which the processor does not foresee. */
template <class T>
static void prefetchRows(const TokenRows<T>& rows, int K) {
  for (int t = 0; t < kTokens && rows.at[t]; t++) prefetchRow(rows.at[t], K);
}

/** Rows of K numbers (a multiple of 32) as a panel [K/2 units][32 tokens]. */
template <class T>
static void packTokens(uint32_t* panel, const TokenRows<T>& rows, int K) {
#if defined(SHOAL_BF16_DOT)
  for (int half = 0; half < kTokens; half += 16) {
    for (int u = 0; u < K / 2; u += 16) {
      __m512i units[16];
      for (int t = 0; t < 16; t++) units[t] = rows.at[half + t] ? pairsAlong(rows.at[half + t] + 2 * u) : _mm512_setzero_si512();
      transpose16(units);
      for (int i = 0; i < 16; i++) _mm512_storeu_si512(panel + (u + i) * kTokens + half, units[i]);
    }
  }
#else
  for (int t = 0; t < kTokens; t++)
    for (int u = 0; u < K / 2; u++) panel[u * kTokens + t] = rows.at[t] ? unitOf<Mode::kPair>(rows.at[t][2 * u], rows.at[t][2 * u + 1]) : 0;
#endif
}

/** The same rows for a sum over tokens: panels [16 units of two tokens][32 numbers], `panelStride` units apart. */
template <class T>
static void packAcrossTokens(uint32_t* dst, ptrdiff_t panelStride, const TokenRows<T>& rows, int K) {
  for (int t = 0; t < kTokens; t += 2, dst += kNR) {
    const T *first = rows.at[t], *second = rows.at[t + 1];
    for (int k = 0; k < K; k += kNR) {
      uint32_t* units = dst + k / kNR * panelStride;
#if defined(SHOAL_BF16_DOT)
      packAcross512(units, kNR, first ? first + k : nullptr, second ? second + k : nullptr, first ? kNR : 0);
#else
      for (int i = 0; i < kNR; i++) units[i] = first ? unitOf<Mode::kPair>(first[k + i], second ? second[k + i] : T(0)) : 0;
#endif
    }
  }
}

/**
 * rows[t][0 … 31] (+)= tile[0 … 31][t]. What is not added goes `nonTemporal` the cache, which would read each line before it
 * is overwritten: `nonTemporalFence` before others read it.
 */
static void storeTransposed(const OutRows& rows, const float* tile, bool accumulate, bool nonTemporal) {
  float* const* out = rows.at;
#if defined(SHOAL_BF16_DOT)
  for (int t = 0; t < kTokens && out[t]; t += 16) {
    for (int n = 0; n < kMR; n += 16) {
      __m512i rows16[16];
      for (int i = 0; i < 16; i++) rows16[i] = _mm512_loadu_si512(tile + (n + i) * kTokens + t);
      transpose16(rows16);
      for (int i = 0; i < 16 && out[t + i]; i++) {
        float* to = out[t + i] + n;
        if (accumulate) store(to, load(to) + (Vf)rows16[i]);
        else if (nonTemporal && ((uintptr_t)to & 63) == 0) storeNonTemporal(to, (Vf)rows16[i]);
        else store(to, (Vf)rows16[i]);
      }
    }
  }
#else
  for (int t = 0; t < kTokens && out[t]; t++)
    for (int n = 0; n < kMR; n++) out[t][n] = accumulate ? out[t][n] + tile[n * kTokens + t] : tile[n * kTokens + t];
#endif
}

constexpr int panelsOf(ptrdiff_t tokens) { return (int)((tokens + kTokens - 1) / kTokens); }

/**
 * tiles[p] (+)= 32 rows of K numbers · panels[p], of the panels of so many tokens. Meanwhile the rows that come next (or null) are fetched. `step`: numbers from row to row where they are
 * parts of wider ones.
 */
static void multiplyTransposed(float* tiles, const uint16_t* rows, const uint32_t* panels, ptrdiff_t panelStride, ptrdiff_t tokens, int K, const uint16_t* next, ptrdiff_t step = 0, bool accumulate = false) {
  // In the order of memory, which the processor's own prefetching then joins in. Of few tokens it has the rest to itself: more at a time is in the way.
  const int count = panelsOf(tokens);
  Prefetch ahead{(const uint8_t*)next, next ? kMR / (count < 4 ? 4 : count) : 0};
  const int blocks = (K + kDepth - 1) / kDepth, each = (K / 32 + blocks - 1) / blocks * 32;
  for (int k = 0; k < K; k += each) {
    const int depth = K - k < each ? K - k : each;
    for (int p = 0; p < count; p++, ahead.at += depth / 32 * ahead.lines * 64) {
      tileProduct32(tiles + p * kTile, kTokens, (const uint8_t*)(rows + k), (step ? step : K) * 2, (const uint8_t*)(panels + p * panelStride + k / 2 * kTokens), depth / 32, accumulate || k > 0, ahead, (int)(tokens - p * kTokens));
    }
  }
}

/** Whether results of so many numbers are better stored around the cache: they would not stay in it until they are read. */
static bool isNonTemporal(ptrdiff_t numbers) { return numbers > kNonTemporalNumbers; }

/** The same into the first `columns` ≤ 32 places of each row only. */
static void storeTransposedPart(const OutRows& rows, const float* tile, int columns, bool accumulate, bool nonTemporal) {
  if (columns == kMR) return storeTransposed(rows, tile, accumulate, nonTemporal);
  alignas(64) float whole[kTile];
  storeTransposed(rowsFrom(whole, kMR, kTokens), tile, false, false);
  for (int t = 0; t < kTokens && rows.at[t]; t++) placeTile({rows.at[t], 1, columns, 0}, whole + t * kMR, accumulate);
}

/** A column of vectors x becomes 2^(scale · x − peak). Returns the sum. */
SHOAL_INLINE Vf exp2Column(float* column, int count, float scale, Vf peak) {
  Vf sum = {};
  for (int r = 0; r < count; r++) {
    float* at = column + r * kTokens;
    const Vf power = exp2(load(at) * scale - peak);
    store(at, power);
    sum += power;
  }
  return sum;
}

/** What sums of exp2Column are multiplied by when the peak rises. The first time there is nothing to correct: 2^−∞ would be no number on every machine. */
SHOAL_INLINE Vf correctionOf(Vf old, Vf peak) { return old > splat(-__builtin_inff()) ? exp2(old - peak) : Vf{}; }

constexpr int kRowVectors = kTokens / kLanes;  // vectors of one number of 32 tokens

/** One line of A from registers. */
SHOAL_INLINE void keepRow(uint16_t* line, const Vf* row) {
#if defined(SHOAL_BF16_DOT)
  _mm512_storeu_si512(line, (__m512i)_mm512_cvtne2ps_pbh((__m512)row[1], (__m512)row[0]));
#else
  float numbers[kTokens];
  for (int i = 0; i < kRowVectors; i++) store(numbers + i * kLanes, row[i]);
  packContiguous<Mode::kPair>((uint32_t*)line, 0, 1, numbers, 0, 1, kTokens);
#endif
}

/** Units of a panel from two rows in registers. */
SHOAL_INLINE void packPair(uint32_t* units, const Vf* first, const Vf* second) {
#if defined(SHOAL_BF16_DOT)
  for (int i = 0; i < kRowVectors; i++) _mm512_storeu_si512(units + i * 16, alternate((__m512)first[i], (__m512)second[i]));
#else
  for (int i = 0; i < kRowVectors; i++)
    for (int lane = 0; lane < kLanes; lane++) units[i * kLanes + lane] = unitOf<Mode::kPair>(first[i][lane], second[i][lane]);
#endif
}

/** Numbers, an even count of them, rounded to bf16. */
static void roundRow(uint16_t* dst, const float* src, ptrdiff_t count) { packContiguous<Mode::kPair>((uint32_t*)dst, 0, 1, src, 0, 1, (int)count); }

/** 32 rows of `columns` numbers (a multiple of 32) as lines of 32 tokens, `step` numbers apart: dst[column·step + row]. */
static void transposeRows(uint16_t* dst, ptrdiff_t step, const Source& rows, int columns) {
#if defined(SHOAL_BF16_DOT)
  if (rows.bf16) transposeRows512((uint32_t*)dst, step / 2, (const uint16_t*)rows.data, rows.lineStep, columns, 32);
  else transposeRows512((uint32_t*)dst, step / 2, (const float*)rows.data, rows.lineStep, columns, 32);
#else
  for (int column = 0; column < columns; column++) {
    for (int row = 0; row < 32; row++) {
      const void* from = rows.at(row, column);
      dst[column * step + row] = rows.bf16 ? *(const uint16_t*)from : (uint16_t)(roundBits(bitsOf(*(const float*)from)) >> 16);
    }
  }
#endif
}

/**
 * sums[rows][width] += lines · panels, a sum over 32 · steps tokens: lines are `step` numbers apart, panels of 32 columns `panelStride` units. Rows and width are
 * multiples of 32.
 */
static void addOverTokens(float* sums, ptrdiff_t width, ptrdiff_t rows, const uint16_t* lines, ptrdiff_t step, const uint32_t* panels, ptrdiff_t panelStride, int steps) {
  for (ptrdiff_t n = 0; n < width; n += kNR, panels += panelStride) {
    for (ptrdiff_t row = 0; row < rows; row += kMR) {
      float* tile = sums + row * width + n;
      const float* next = row + kMR < rows ? tile + kMR * width : n + kNR < width ? sums + n + kNR : tile;
      tileProduct32(tile, width, (const uint8_t*)(lines + row * step), step * 2, (const uint8_t*)panels, steps, true, {nullptr, 0, next});
    }
  }
}

}  // namespace SHOAL_ISA
#endif
