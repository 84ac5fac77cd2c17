// Sweeps over flat buffers: addition, sums, AdamW.
#include <math.h>

#include "elementwise/contract.h"
#include "runtime/arena.h"
#include "runtime/pool.h"
#include "simd/vec.h"

namespace SHOAL_ISA {
namespace {

constexpr ptrdiff_t kGrain = 1 << 15;

}  // namespace

void add(const call::Add& p) {
  float* out = p.out;
  const float *a = p.a, *b = p.b, scaleA = (float)p.scaleA, scaleB = (float)p.scaleB;
  parallelRange(p.n, kGrain, [&](ptrdiff_t from, ptrdiff_t to) {
    ptrdiff_t i = from;
    for (; i + kLanes <= to; i += kLanes) store(out + i, load(a + i) * splat(scaleA) + load(b + i) * splat(scaleB));
    for (; i < to; i++) out[i] = a[i] * scaleA + b[i] * scaleB;
  });
}

void zero(const call::Zero& p) {
  float* x = p.x;
  parallelRange(p.n, 1 << 18, [&](ptrdiff_t from, ptrdiff_t to) {
    for (; from < to && (uintptr_t)(x + from) % SHOAL_VECTOR_BYTES; from++) x[from] = 0;
    for (; from + kLanes <= to; from += kLanes) storeNonTemporal(x + from, Vf{});
    for (; from < to; from++) x[from] = 0;
    nonTemporalFence();
  });
}

/** Blocks of a fixed size are summed in float64 lanes, then the blocks in order. */
double sumSquares(const call::SumSquares& p) {
  const float* x = p.x;
  const ptrdiff_t n = p.n, blocks = (n + kGrain - 1) / kGrain;
  Scratch shared(Arena::kShared);
  double* sums = shared.take<double>(blocks);
  parallelFor(blocks, [&](ptrdiff_t block) {
    const ptrdiff_t from = block * kGrain, to = from + kGrain < n ? from + kGrain : n;
    double lanes[16] = {};
    ptrdiff_t i = from;
    for (; i + 16 <= to; i += 16)
      for (int l = 0; l < 16; l++) lanes[l] += (double)x[i + l] * x[i + l];
    for (; i < to; i++) lanes[0] += (double)x[i] * x[i];
    double sum = 0;
    for (double lane : lanes) sum += lane;
    sums[block] = sum;
  });
  double total = 0;
  for (ptrdiff_t block = 0; block < blocks; block++) total += sums[block];
  return total;
}

void adamw(const call::Adamw& p) {
  float *w = p.w, *m = p.m, *v = p.v;
  const float* g = p.g;
  const float beta1 = (float)p.beta1, beta2 = (float)p.beta2, eps = (float)p.eps, scale = (float)p.gradScale;
  const float rest1 = (float)(1 - p.beta1), rest2 = (float)(1 - p.beta2);
  const float keep = (float)(1 - p.lr * p.decay);
  // Both moments begin at 0: what they lack of their mean is divided out.
  const double correction1 = 1 - pow(p.beta1, (double)p.step), correction2 = 1 - pow(p.beta2, (double)p.step);
  const float step = (float)(p.lr / correction1), inverse2 = (float)(1 / correction2);
  parallelRange(p.n, kGrain, [&](ptrdiff_t from, ptrdiff_t to) {
    ptrdiff_t i = from;
    for (; i + kLanes <= to; i += kLanes) {
      const Vf gradient = load(g + i) * scale;
      const Vf mi = beta1 * load(m + i) + rest1 * gradient;
      const Vf vi = beta2 * load(v + i) + rest2 * gradient * gradient;
      store(m + i, mi);
      store(v + i, vi);
      store(w + i, load(w + i) * keep - step * mi / (squareRoot(vi * inverse2) + eps));
    }
    for (; i < to; i++) {
      const float gradient = g[i] * scale;
      const float mi = beta1 * m[i] + rest1 * gradient;
      const float vi = beta2 * v[i] + rest2 * gradient * gradient;
      m[i] = mi;
      v[i] = vi;
      w[i] = w[i] * keep - step * mi / (sqrtf(vi * inverse2) + eps);
    }
  });
}

}  // namespace SHOAL_ISA
