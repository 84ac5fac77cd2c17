// Latent attention in its absorbed form, for decoding: every head reads the same latent cache. A few heads meet a few of its rows in registers.
#include <math.h>

#include "args.h"
#include "pool.h"
#include "vec.h"

namespace SHOAL_ISA {
namespace {

constexpr int kCacheRows = 64;                 // rows of the cache in a tile: widened once for all heads
constexpr int kHeads = kLanes == 16 ? 4 : 2;  // heads that share what is loaded of the tile
constexpr int kRows = 4;

void widenCodes(float* out, const int8_t* codes, ptrdiff_t n, float scale) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = (float)codes[i] * scale;
}

/** One query's heads from h0 on, over one tile of the cache. Rows are `padded` apart; the numbers beyond a row's own are 0. */
struct Tile {
  const float *q, *rows;
  ptrdiff_t padded, columns, count;
  float scale;
  float *scores, *sums, *peaks, *totals;
};

/** scores[h][j] = scale · q[h] · rows[j] of heads h … h+heads−1. Rows past the count hold old numbers; their scores are not used. */
template <int heads>
void scoresOf(const Tile& t, ptrdiff_t h) {
  for (ptrdiff_t j = 0; j < t.count; j += kRows) {
    Vf lanes[heads][kRows] = {};
    for (ptrdiff_t c = 0; c < t.padded; c += kLanes) {
      Vf row[kRows];
      for (int i = 0; i < kRows; i++) row[i] = load(t.rows + (j + i) * t.padded + c);
      for (int k = 0; k < heads; k++) {
        const Vf x = load(t.q + (h + k) * t.padded + c);
        for (int i = 0; i < kRows; i++) lanes[k][i] = lanes[k][i] + x * row[i];
      }
    }
    for (int k = 0; k < heads; k++)
      for (int i = 0; i < kRows; i++) t.scores[(h + k) * kCacheRows + j + i] = lanesSum(lanes[k][i]) * t.scale;
  }
}

/** Turns a head's scores into weights exp(score − peak), with the running peak and total. Returns what the sums so far shrink by. */
float weigh(const Tile& t, ptrdiff_t h) {
  float* s = t.scores + h * kCacheRows;
  float peak = t.peaks[h];
  for (ptrdiff_t j = 0; j < t.count; j++) peak = s[j] > peak ? s[j] : peak;
  for (ptrdiff_t j = t.count; j % kLanes; j++) s[j] = -INFINITY;
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

/** sums[h] = sums[h] · correction + Σ_j weight[h][j] · rows[j]. In the last vector numbers past R belong to k_rope; they land in padding. */
template <int heads>
void sumRows(const Tile& t, ptrdiff_t h, const float* corrections) {
  for (ptrdiff_t c = 0; c < t.columns; c += 2 * kLanes) {
    // The last pair may have only one vector; the second then repeats the first and is not stored.
    const bool two = c + kLanes < t.columns;
    const ptrdiff_t second = two ? c + kLanes : c;
    Vf sum[heads][2];
    for (int k = 0; k < heads; k++) {
      const Vf shrink = splat(corrections[k]);
      sum[k][0] = load(t.sums + (h + k) * t.columns + c) * shrink;
      sum[k][1] = load(t.sums + (h + k) * t.columns + second) * shrink;
    }
    for (ptrdiff_t j = 0; j < t.count; j++) {
      const Vf first = load(t.rows + j * t.padded + c), next = load(t.rows + j * t.padded + second);
      for (int k = 0; k < heads; k++) {
        const Vf weight = splat(t.scores[(h + k) * kCacheRows + j]);
        sum[k][0] = sum[k][0] + weight * first;
        sum[k][1] = sum[k][1] + weight * next;
      }
    }
    for (int k = 0; k < heads; k++) {
      store(t.sums + (h + k) * t.columns + c, sum[k][0]);
      if (two) store(t.sums + (h + k) * t.columns + second, sum[k][1]);
    }
  }
}

template <int heads>
void attendTile(const Tile& t, ptrdiff_t h) {
  scoresOf<heads>(t, h);
  float corrections[heads];
  for (int k = 0; k < heads; k++) corrections[k] = weigh(t, h + k);
  sumRows<heads>(t, h, corrections);
}

/** out, qLatent, qRope, cache, cacheScales, rowStart, rowCount, Nq, H, R, P, ldq, qHeadStride, scale */
double latentAttention(const Arg* args) {
  float* out = args[0].f32();
  const float *qLatent = args[1].f32(), *qRope = args[2].f32();
  const Arg& cache = args[3];
  const float* cacheScales = args[4].data ? args[4].f32() : nullptr;
  const int32_t *rowStart = args[5].i32(), *rowCount = args[6].i32();
  const ptrdiff_t Nq = args[7].size(), H = args[8].size(), R = args[9].size(), P = args[10].size(), ldq = args[11].size(), headStride = args[12].size();
  const ptrdiff_t width = R + P, padded = (width + kLanes - 1) / kLanes * kLanes, columns = (R + kLanes - 1) / kLanes * kLanes;
  // A task is one query, or half of its heads where there are few queries. A head's numbers are the same either way.
  const ptrdiff_t parts = H > 1 && Nq < 8 ? 2 : 1;
  parallelFor(Nq * parts, [&](ptrdiff_t task) {
    const ptrdiff_t n = task / parts, h0 = H * (task % parts) / parts, heads = H * (task % parts + 1) / parts - h0;
    float* q = (float*)scratch(0, (size_t)(heads * (padded + columns + kCacheRows + 2) + kCacheRows * padded) * 4);
    float* sums = q + heads * padded;
    float* rows = sums + heads * columns;
    float* scores = rows + kCacheRows * padded;
    const Tile all{q, rows, padded, columns, 0, args[13].real(), scores, sums, scores + heads * kCacheRows, scores + heads * (kCacheRows + 1)};
    memset(q, 0, (size_t)(heads * (padded + columns)) * 4);
    for (ptrdiff_t h = 0; h < heads; h++) {
      memcpy(q + h * padded, qLatent + (n * H + h0 + h) * R, (size_t)R * 4);
      memcpy(q + h * padded + R, qRope + n * ldq + (h0 + h) * headStride, (size_t)P * 4);
      all.peaks[h] = -INFINITY, all.totals[h] = 0;
    }
    for (ptrdiff_t from = 0; from < rowCount[n]; from += kCacheRows) {
      Tile t = all;
      t.count = rowCount[n] - from < kCacheRows ? rowCount[n] - from : kCacheRows;
      for (ptrdiff_t j = 0; j < t.count; j++) {
        float* row = rows + j * padded;
        const ptrdiff_t cacheRow = rowStart[n] + from + j, at = cacheRow * width;
        if (cacheScales) {
          widenCodes(row, (const int8_t*)cache.data + at, R, cacheScales[cacheRow * 2]);
          widenCodes(row + R, (const int8_t*)cache.data + at + R, P, cacheScales[cacheRow * 2 + 1]);
        } else if (cache.isBf16()) {
          ptrdiff_t c = 0;
          for (; c + kLanes <= width; c += kLanes) store(row + c, loadBf16(cache.bf16() + at + c));
          for (; c < width; c++) row[c] = loadBf16One(cache.bf16() + at + c);
        } else memcpy(row, cache.f32() + at, (size_t)width * 4);
        for (ptrdiff_t c = width; c < padded; c++) row[c] = 0;
      }
      ptrdiff_t h = 0;
      for (; h + kHeads <= heads; h += kHeads) attendTile<kHeads>(t, h);
      for (; h < heads; h++) attendTile<1>(t, h);
    }
    for (ptrdiff_t h = 0; h < heads; h++)
      for (ptrdiff_t r = 0; r < R; r++) out[(n * H + h0 + h) * R + r] = sums[h * columns + r] / all.totals[h];
  });
  return 0;
}

}  // namespace

extern const Entry latentAttentionFamily[] = {{"latentAttention", latentAttention}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
