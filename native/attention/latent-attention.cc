// Latent attention in its absorbed form, for decoding: every head reads the same latent cache.
#include "attention/cache-row.h"
#include "attention/contract.h"
#include "attention/latent-tile.h"
#include "runtime/arena.h"
#include "runtime/pool.h"

namespace SHOAL_ISA {

void writeLatents(const call::WriteLatents& p) {
  const CacheWriter rows{p.cache, p.cacheScales, p.R, p.P};
  parallelRange(p.T, 1 + 16384 / (p.R + p.P + 1), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) rows.write(p.places[t], p.cKv + t * p.R, p.kRope + t * p.ldk);
  });
}

void latentAttention(const call::LatentAttention& p) {
  const ptrdiff_t Nq = p.Nq, H = p.H, R = p.R, P = p.P;
  const CacheRows cache{p.cache, p.cacheScales, R, P};
  // A task is one query, or half of its heads where there are few queries.
  const ptrdiff_t parts = H > 1 && Nq < 8 ? 2 : 1;
  parallelFor(Nq * parts, [&](ptrdiff_t task) {
    const ptrdiff_t n = task / parts, h0 = H * (task % parts) / parts, heads = H * (task % parts + 1) / parts - h0;
    Scratch own;
    const Tile t = tileIn(own.take<float>(tileNumbers(cache, heads)), cache, heads, (float)p.scale);
    clearBytes(t.q, heads * t.padded * 4);
    for (ptrdiff_t h = 0; h < heads; h++) {
      copyBytes(t.q + h * t.padded, p.qLatent + (n * H + h0 + h) * R, R * 4);
      copyBytes(t.q + h * t.padded + R, p.qRope + n * p.ldq + (h0 + h) * p.qHeadStride, P * 4);
    }
    attend(t, cache, p.rowStart[n], p.rowCount[n], heads);
    for (ptrdiff_t h = 0; h < heads; h++) copyBytes(p.out + (n * H + h0 + h) * R, t.sums + h * t.columns, R * 4);
  });
}

}  // namespace SHOAL_ISA
