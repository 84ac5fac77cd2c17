// Cross entropy over the vocabulary.
#include <math.h>

#include "args.h"
#include "pool.h"
#include "vec.h"

namespace SHOAL_ISA {
namespace {

/** logits, losses, targets, T, V, gradScale (null: no gradient) */
double crossEntropy(const Arg* args) {
  float *logits = args[0].f32(), *losses = args[1].f32();
  const int32_t* targets = args[2].i32();
  const ptrdiff_t T = args[3].size(), V = args[4].size();
  const bool wanted = args[5].type == kNumber;
  const float scale = args[5].real();
  parallelRange(T, 1 + 16384 / (V + 1), [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t t = from; t < to; t++) {
      float* row = logits + t * V;
      const int32_t target = targets[t];
      if (target < 0) {
        losses[t] = 0;
        if (wanted) memset(row, 0, (size_t)V * 4);
        continue;
      }
      Vf top = splat(-INFINITY);
      ptrdiff_t v = 0;
      for (; v + kLanes <= V; v += kLanes) top = max(top, load(row + v));
      float peak = lanesMax(top);
      for (; v < V; v++) peak = row[v] > peak ? row[v] : peak;
      const float own = row[target];
      Vf lanes = {};
      double total = 0;
      for (v = 0; v + kLanes <= V; v += kLanes) {
        const Vf e = exp(load(row + v) - splat(peak));
        if (wanted) store(row + v, e);
        lanes = lanes + e;
        // A few thousand terms at a time in f32, the rest of the way in f64.
        if ((v / kLanes) % 256 == 255) total += lanesSum(lanes), lanes = Vf{};
      }
      total += lanesSum(lanes);
      if (v < V) {
        const int rest = (int)(V - v);
        const Vf e = exp(loadPart(row + v, rest, -INFINITY) - splat(peak));
        if (wanted) storePart(row + v, e, rest);
        total += lanesSum(e);
      }
      losses[t] = (float)((double)peak + log(total) - (double)own);
      if (!wanted) continue;
      const float factor = (float)(scale / total);
      for (v = 0; v + kLanes <= V; v += kLanes) store(row + v, load(row + v) * splat(factor));
      for (; v < V; v++) row[v] *= factor;
      row[target] -= scale;
    }
  });
  return 0;
}

}  // namespace

extern const Entry lossFamily[] = {{"crossEntropy", crossEntropy}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
