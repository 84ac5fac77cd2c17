// Latent attention in its absorbed form, for decoding: every head reads the same latent cache.
#include "args.h"
#include "latent-tile.h"
#include "pool.h"

namespace SHOAL_ISA {
namespace {

/** out, qLatent, qRope, cache, cacheScales, rowStart, rowCount, Nq, H, R, P, ldq, qHeadStride, scale */
double latentAttention(const Arg* args) {
  float* out = args[0].f32();
  const float *qLatent = args[1].f32(), *qRope = args[2].f32();
  const int32_t *rowStart = args[5].i32(), *rowCount = args[6].i32();
  const ptrdiff_t Nq = args[7].size(), H = args[8].size(), R = args[9].size(), P = args[10].size(), ldq = args[11].size(), headStride = args[12].size();
  const CacheRows cache{&args[3], args[4].data ? args[4].f32() : nullptr, R, P};
  // A task is one query, or half of its heads where there are few queries.
  const ptrdiff_t parts = H > 1 && Nq < 8 ? 2 : 1;
  parallelFor(Nq * parts, [&](ptrdiff_t task) {
    const ptrdiff_t n = task / parts, h0 = H * (task % parts) / parts, heads = H * (task % parts + 1) / parts - h0;
    const Tile t = tileIn((float*)scratch(0, (size_t)tileNumbers(cache, heads) * 4), cache, heads, args[13].real());
    memset(t.q, 0, (size_t)(heads * t.padded) * 4);
    for (ptrdiff_t h = 0; h < heads; h++) {
      memcpy(t.q + h * t.padded, qLatent + (n * H + h0 + h) * R, (size_t)R * 4);
      memcpy(t.q + h * t.padded + R, qRope + n * ldq + (h0 + h) * headStride, (size_t)P * 4);
    }
    attend(t, cache, rowStart[n], rowCount[n], heads);
    for (ptrdiff_t h = 0; h < heads; h++) memcpy(out + (n * H + h0 + h) * R, t.sums + h * t.columns, (size_t)R * 4);
  });
  return 0;
}

}  // namespace

extern const Entry latentAttentionFamily[] = {{"latentAttention", latentAttention}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
