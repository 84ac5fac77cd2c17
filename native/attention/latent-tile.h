// One query over the latent cache: a few heads meet a few of the cache's rows in registers, tile by tile with a running softmax. Where the cache is in
// bf16, queries are rounded to it too, so that its rows can be multiplied as they are.
#pragma once
#include <math.h>

#include "addon/buffer.h"
#include "runtime/bytes.h"
#include "simd/dots.h"

namespace SHOAL_ISA {

constexpr int kCacheRows = kLanes == 16 ? 64 : 32;  // rows of the cache in a tile: widened once for all heads
constexpr int kPrefetchCacheRows = 16;                          // rows by which reading goes ahead of widening
constexpr int kHeads = 4;                           // heads that share what is loaded of the tile

/** Sums that each of some heads has in registers at once. */
template <int heads>
constexpr int kSumsEach = kTogether / (heads == 3 ? 4 : heads);

/** The cache: rows [c_kv (R) | k_rope (P)] in f32, bf16, or codes with two scales a row. */
struct CacheRows {
  ConstBuffer data;
  const float* scales;
  ptrdiff_t R, P;

  ptrdiff_t padded() const { return (R + P + kLanes - 1) / kLanes * kLanes; }
  ptrdiff_t columns() const { return (R + kLanes - 1) / kLanes * kLanes; }
  /** Whether queries are rounded to bf16, as the rows are. */
  bool rounds() const { return !scales && data.isBf16(); }

  /** A row as f32, filled up with zeros. */
  void widen(ptrdiff_t row, float* to) const {
    const ptrdiff_t width = R + P, at = row * width;
    if (scales) {
      const int8_t* codes = data.i8() + at;
      for (ptrdiff_t i = 0; i < R; i++) to[i] = (float)codes[i] * scales[row * 2];
      for (ptrdiff_t i = R; i < width; i++) to[i] = (float)codes[i] * scales[row * 2 + 1];
    } else if (data.isBf16()) {
      const uint16_t* from = data.bf16() + at;
      ptrdiff_t c = 0;
      for (; c + kLanes <= width; c += kLanes) {
        __builtin_prefetch(from + c + kPrefetchCacheRows * width);
        store(to + c, loadBf16(from + c));
      }
      for (; c < width; c++) to[c] = loadBf16One(from + c);
    } else {
      copyBytes(to, data.f32() + at, width * 4);
    }
    for (ptrdiff_t c = width; c < padded(); c++) to[c] = 0;
  }
};

/** The heads of one query, and one tile of the cache. Rows are `padded` apart; the numbers beyond a row's own are 0. */
struct Tile {
  float *q, *sums, *rows, *scores, *peaks, *totals;
  ptrdiff_t padded, columns, count;
  float scale;
};

/** Floats of memory for `heads` heads. */
static inline ptrdiff_t tileNumbers(const CacheRows& cache, ptrdiff_t heads) {
  return heads * (cache.padded() + cache.columns() + kCacheRows + 2) + kCacheRows * cache.padded() + 16;
}
static inline Tile tileIn(float* memory, const CacheRows& cache, ptrdiff_t heads, float scale) {
  Tile t;
  t.padded = cache.padded(), t.columns = cache.columns(), t.count = 0, t.scale = scale;
  t.q = memory;
  t.sums = t.q + heads * t.padded;
  t.rows = t.sums + heads * t.columns;
  t.scores = t.rows + kCacheRows * t.padded;
  t.peaks = t.scores + heads * kCacheRows;
  t.totals = t.peaks + heads;
  return t;
}

/** A tile's rows, widened: `step` apart. */
struct WideRows {
  const float* at;
  ptrdiff_t step;

  SHOAL_INLINE Vf load(const WideRows& r, ptrdiff_t j, ptrdiff_t c) { return SHOAL_ISA::load(r.at + j * r.step + c); }
  SHOAL_INLINE Vf loadLast(const WideRows& r, ptrdiff_t j, ptrdiff_t c) { return load(r, j, c); }
};

/** scores[h][j] = scale · q[h] · rows[j] of heads h … h+heads−1. Rows past the count hold old numbers; their scores are not used. */
template <int heads>
static void scoresOf(const Tile& t, const WideRows&, ptrdiff_t h) {
  constexpr int rows = kSumsEach<heads>;
  for (ptrdiff_t j = 0; j < t.count; j += rows) {
    Vf lanes[kTogether] = {};
    for (ptrdiff_t c = 0; c < t.padded; c += kLanes) {
      Vf x[heads];
#pragma GCC unroll 4
      for (int k = 0; k < heads; k++) x[k] = load(t.q + (h + k) * t.padded + c);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const Vf row = load(t.rows + (j + i) * t.padded + c);
#pragma GCC unroll 4
        for (int k = 0; k < heads; k++) lanes[k * rows + i] = lanes[k * rows + i] + x[k] * row;
      }
    }
    float sums[kTogether];
    sumEach(lanes, sums);
    for (int k = 0; k < heads; k++)
      for (int i = 0; i < rows; i++) t.scores[(h + k) * kCacheRows + j + i] = sums[k * rows + i] * t.scale;
  }
}

#if defined(SHOAL_BF16_DOT)

/** A tile's rows as the cache has them, in bf16: `width` numbers each. */
struct HalfRows {
  const uint16_t* at;
  ptrdiff_t width;

  SHOAL_INLINE Vf load(const HalfRows& r, ptrdiff_t j, ptrdiff_t c) { return loadBf16(r.at + j * r.width + c); }
  /** A vector that may reach over the row's end, and with that over the cache's: zeros there. */
  SHOAL_INLINE Vf loadLast(const HalfRows& r, ptrdiff_t j, ptrdiff_t c) {
    if (r.width - c >= kLanes) return load(r, j, c);
    const __m256i there = _mm256_maskz_loadu_epi16((__mmask16)((1u << (r.width - c)) - 1), r.at + j * r.width + c);
    return (Vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(there), 16);
  }
};

/** Rounds a query's heads to bf16, into their own memory: [heads][width]. */
static inline void halveQuery(const Tile& t, ptrdiff_t width, ptrdiff_t heads) {
  uint16_t* to = (uint16_t*)t.q;
  // What is written lies before what is still to be read; the zeros behind a head's numbers are written over by the next head's.
  for (ptrdiff_t h = 0; h < heads; h++)
    for (ptrdiff_t c = 0; c < t.padded; c += kLanes)
      _mm256_storeu_si256((__m256i*)(to + h * width + c), _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)roundBits(loadBits(t.q + h * t.padded + c)), 16)));
}

/** The same for queries in bf16. */
template <int heads>
static void scoresOf(const Tile& t, const HalfRows& rows, ptrdiff_t h) {
  constexpr int lines = kSumsEach<heads>;
  const uint16_t* q[heads];
  for (int k = 0; k < heads; k++) q[k] = (const uint16_t*)t.q + (h + k) * rows.width;
  float* scores = t.scores + h * kCacheRows;
  const auto from = [&](ptrdiff_t j) { return rows.at + j * rows.width; };
  ptrdiff_t j = 0;
  for (; j + lines <= t.count; j += lines) dotsOfLines<heads, lines, HalvesDot>(q, rows.width, from(j), rows.width, scores + j, kCacheRows);
  for (; j < t.count; j++) dotsOfLines<heads, 1, HalvesDot>(q, rows.width, from(j), rows.width, scores + j, kCacheRows);
  for (int k = 0; k < heads; k++)
    for (j = 0; j < t.count; j += kLanes) store(scores + k * kCacheRows + j, load(scores + k * kCacheRows + j) * splat(t.scale));
}

#endif

/** Makes weights of a head's scores, exp(score − peak), with the running peak and total. Returns what the sums so far shrink by. */
static float weigh(const Tile& t, ptrdiff_t h) {
  float* s = t.scores + h * kCacheRows;
  for (ptrdiff_t j = t.count; j % kLanes; j++) s[j] = -INFINITY;
  Vf top = load(s);
  for (ptrdiff_t j = kLanes; j < t.count; j += kLanes) top = max(top, load(s + j));
  const float best = lanesMax(top), peak = best > t.peaks[h] ? best : t.peaks[h];
  const float correction = t.peaks[h] == -INFINITY ? 0 : expf(t.peaks[h] - peak);
  Vf total = {};
  for (ptrdiff_t j = 0; j < t.count; j += kLanes) {
    const Vf weights = exp(load(s + j) - splat(peak));
    store(s + j, weights);
    total = total + weights;
  }
  t.peaks[h] = peak;
  t.totals[h] = t.totals[h] * correction + lanesSum(total);
  return correction;
}

/** `vectors` vectors of sums[h][c …] = sums · correction + Σ_j weight[h][j] · rows[j], of `heads` heads. */
template <int heads, int vectors, class Rows>
SHOAL_INLINE void sumColumns(const Tile& t, const Rows& rows, ptrdiff_t h, ptrdiff_t c, const float* corrections) {
  Vf sum[heads][vectors];
#pragma GCC unroll 4
  for (int k = 0; k < heads; k++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) sum[k][v] = load(t.sums + (h + k) * t.columns + c + v * kLanes) * splat(corrections[k]);
  for (ptrdiff_t j = 0; j < t.count; j++) {
    Vf row[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) row[v] = v + 1 < vectors ? Rows::load(rows, j, c + v * kLanes) : Rows::loadLast(rows, j, c + v * kLanes);
#pragma GCC unroll 4
    for (int k = 0; k < heads; k++) {
      const Vf weight = splat(t.scores[(h + k) * kCacheRows + j]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) sum[k][v] = sum[k][v] + weight * row[v];
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < heads; k++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) store(t.sums + (h + k) * t.columns + c + v * kLanes, sum[k][v]);
}

/** Columns from c on, as many vectors at once as there are; in the last one numbers past R belong to k_rope, and land in padding. */
template <int heads, int vectors, class Rows>
static void sumFrom(const Tile& t, const Rows& rows, ptrdiff_t h, ptrdiff_t c, const float* corrections) {
  for (; c + vectors * kLanes <= t.columns; c += vectors * kLanes) sumColumns<heads, vectors>(t, rows, h, c, corrections);
  if constexpr (vectors > 1) sumFrom<heads, vectors / 2>(t, rows, h, c, corrections);
}

template <int heads, class Rows>
static void attendTile(const Tile& t, const Rows& rows, ptrdiff_t h) {
  scoresOf<heads>(t, rows, h);
  float corrections[heads];
  for (int k = 0; k < heads; k++) corrections[k] = weigh(t, h + k);
  // Weights stay in f32: rounding them costs more than rounding the rows.
  sumFrom<heads, kSumsEach<heads> < 8 ? kSumsEach<heads> : 8>(t, rows, h, 0, corrections);
}

template <class Rows>
static void attendHeads(const Tile& t, const Rows& rows, ptrdiff_t heads) {
  ptrdiff_t h = 0;
  for (; h + kHeads <= heads; h += kHeads) attendTile<kHeads>(t, rows, h);
  if (heads - h == 3) attendTile<3>(t, rows, h);
  if (heads - h == 2) attendTile<2>(t, rows, h);
  if (heads - h == 1) attendTile<1>(t, rows, h);
}

/**
 * sums[h] = softmax(scale · q[h] · rows) · c_kv over cache rows first … first+count−1, for a query whose heads stand in t.q, filled up with
 * zeros; its memory is used up. A head's numbers are the same whichever heads are with it.
 */
static inline void attend(Tile t, const CacheRows& cache, ptrdiff_t first, ptrdiff_t count, ptrdiff_t heads) {
  clearBytes(t.sums, heads * t.columns * 4);
  for (ptrdiff_t h = 0; h < heads; h++) t.peaks[h] = -INFINITY, t.totals[h] = 0;
#if defined(SHOAL_BF16_DOT)
  const ptrdiff_t width = cache.R + cache.P;
  if (cache.rounds()) halveQuery(t, width, heads);
#else
  if (cache.rounds())
    for (ptrdiff_t c = 0; c < heads * t.padded; c += kLanes) store(t.q + c, roundToBf16(load(t.q + c)));
#endif
  for (ptrdiff_t from = 0; from < count; from += kCacheRows) {
    t.count = count - from < kCacheRows ? count - from : kCacheRows;
#if defined(SHOAL_BF16_DOT)
    if (cache.rounds()) {
      attendHeads(t, HalfRows{cache.data.bf16() + (first + from) * width, width}, heads);
      continue;
    }
#endif
    for (ptrdiff_t j = 0; j < t.count; j++) cache.widen(first + from + j, t.rows + j * t.padded);
    attendHeads(t, WideRows{t.rows, t.padded}, heads);
  }
  for (ptrdiff_t h = 0; h < heads; h++) {
    const Vf inverse = splat(1 / t.totals[h]);
    for (ptrdiff_t c = 0; c < t.columns; c += kLanes) store(t.sums + h * t.columns + c, load(t.sums + h * t.columns + c) * inverse);
  }
}

}  // namespace SHOAL_ISA
