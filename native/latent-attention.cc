// Latent attention in its absorbed form, for decoding: every head reads the same latent cache.
#include <math.h>

#include "args.h"
#include "gemm.h"
#include "pool.h"

namespace SHOAL_ISA {
namespace {

constexpr int kCacheRows = 64;  // rows of the cache in a tile: read once for all heads

/** out, qLatent, qRope, cache, rowStart, rowCount, Nq, H, R, P, ldq, qHeadStride, scale */
double latentAttention(const Arg* args) {
  float* out = args[0].f32();
  const float *qLatent = args[1].f32(), *qRope = args[2].f32();
  const Arg& cache = args[3];
  const int32_t *rowStart = args[4].i32(), *rowCount = args[5].i32();
  const ptrdiff_t H = args[7].size(), R = args[8].size(), P = args[9].size(), ldq = args[10].size(), headStride = args[11].size();
  const float scale = args[12].real();
  const ptrdiff_t width = R + P, padded = (width + kLanes - 1) / kLanes * kLanes, columns = (R + kLanes - 1) / kLanes * kLanes;
  // A task is one query and half of its heads, whatever the number of threads.
  const ptrdiff_t parts = H > 1 ? 2 : 1;
  parallelFor(args[6].size() * parts, [&](ptrdiff_t task) {
    const ptrdiff_t n = task / parts, h0 = H * (task % parts) / parts, h1 = H * (task % parts + 1) / parts, heads = h1 - h0;
    float* q = (float*)scratch(0, (size_t)(heads * (padded + columns + kCacheRows + 2) + kCacheRows * padded) * 4);
    float* sums = q + heads * padded;
    float* rows = sums + heads * columns;
    float* scores = rows + kCacheRows * padded;
    float *peaks = scores + heads * kCacheRows, *totals = peaks + heads;
    memset(q, 0, (size_t)(heads * (padded + columns)) * 4);
    for (ptrdiff_t h = 0; h < heads; h++) {
      memcpy(q + h * padded, qLatent + (n * H + h0 + h) * R, (size_t)R * 4);
      memcpy(q + h * padded + R, qRope + n * ldq + (h0 + h) * headStride, (size_t)P * 4);
      peaks[h] = -INFINITY, totals[h] = 0;
    }
    for (ptrdiff_t from = 0; from < rowCount[n]; from += kCacheRows) {
      const ptrdiff_t count = rowCount[n] - from < kCacheRows ? rowCount[n] - from : kCacheRows;
      for (ptrdiff_t j = 0; j < count; j++) {
        float* row = rows + j * padded;
        const ptrdiff_t at = (rowStart[n] + from + j) * width;
        if (cache.isBf16()) {
          ptrdiff_t c = 0;
          for (; c + kLanes <= width; c += kLanes) store(row + c, loadBf16(cache.bf16() + at + c));
          for (; c < width; c++) row[c] = loadBf16One(cache.bf16() + at + c);
        } else memcpy(row, cache.f32() + at, (size_t)width * 4);
        for (ptrdiff_t c = width; c < padded; c++) row[c] = 0;
      }
      for (ptrdiff_t h = 0; h < heads; h++) {
        float* s = scores + h * kCacheRows;
        float peak = peaks[h];
        for (ptrdiff_t j = 0; j < count; j += 4) {
          // Rows past the count hold old numbers; their scores are not used.
          Vf lanes[4] = {};
          for (ptrdiff_t c = 0; c < padded; c += kLanes) {
            const Vf x = load(q + h * padded + c);
            for (int i = 0; i < 4; i++) lanes[i] = lanes[i] + x * load(rows + (j + i) * padded + c);
          }
          for (int i = 0; i < 4 && j + i < count; i++) {
            s[j + i] = lanesSum(lanes[i]) * scale;
            peak = s[j + i] > peak ? s[j + i] : peak;
          }
        }
        for (ptrdiff_t j = count; j % kLanes; j++) s[j] = -INFINITY;
        const float correction = peaks[h] == -INFINITY ? 0 : expf(peaks[h] - peak);
        peaks[h] = peak;
        totals[h] *= correction;
        float* sum = sums + h * columns;
        Vf total = {};
        for (ptrdiff_t j = 0; j < count; j += kLanes) {
          const Vf weights = exp(load(s + j) - splat(peak));
          store(s + j, weights);
          total = total + weights;
        }
        totals[h] += lanesSum(total);
        // Numbers past R in the last vector belong to k_rope; they land in padding that is never read.
        for (ptrdiff_t c = 0; c < columns; c += kLanes) {
          Vf even = load(sum + c) * splat(correction), odd = {};
          ptrdiff_t j = 0;
          for (; j + 2 <= count; j += 2) {
            even = even + splat(s[j]) * load(rows + j * padded + c);
            odd = odd + splat(s[j + 1]) * load(rows + (j + 1) * padded + c);
          }
          if (j < count) even = even + splat(s[j]) * load(rows + j * padded + c);
          store(sum + c, even + odd);
        }
      }
    }
    for (ptrdiff_t h = 0; h < heads; h++)
      for (ptrdiff_t r = 0; r < R; r++) out[(n * H + h0 + h) * R + r] = sums[h * columns + r] / totals[h];
  });
  return 0;
}

}  // namespace

extern const Entry latentAttentionFamily[] = {{"latentAttention", latentAttention}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
