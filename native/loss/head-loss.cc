// The head and its cross entropy as one kernel, with their gradient: for tile units only. Logits stand as tiles of [32 ids][32 tokens], so that a token's
// maximum and sum are lanes, and their gradients are taken by the next products as they are.
#include <math.h>

#include "loss/contract.h"
#include "gemm/transposed.h"

#if defined(SHOAL_TILES)

namespace SHOAL_ISA {
namespace {

constexpr ptrdiff_t kRound = 2048;     // tokens whose gradients of logits are kept before they are summed over
constexpr ptrdiff_t kIdsAtOnce = 512;  // ids whose gradients stay in a core's cache until they have met their rows of w
constexpr ptrdiff_t kLinesAtOnce = 128;

struct HeadLoss {
  const float* x;
  const int32_t* targets;
  float *losses, *dx, *dw;
  ptrdiff_t T, D, V;
  float scale;
  const uint16_t *w, *wTransposed;  // [V][D], [D][V + 32]
  uint16_t* lines;              // [V][kRound + 32]: gradients of logits
  uint32_t* xAcross;            // [D / 32][kRound / 2][32]

  ptrdiff_t lineStep() const { return kRound + 32; }
  ptrdiff_t transposedStep() const { return V + 32; }
};

/** What is known of the tokens of a block. */
struct Tokens {
  alignas(64) float peak[kBlockTokens], total[kBlockTokens], own[kBlockTokens];  // peaks are of logits times log2 e
  int next[kBlockTokens];  // the next token whose target is in the same 32 ids, or −1
};

/** A tile of logits becomes 2^(logit · log2 e − peak) with the peak so far, which goes to `peaks`. */
void exponentiate(float* tile, float* peak, float* total, float* peaks) {
  for (int i = 0; i < kTokens; i += kLanes) {
    Vf top = load(tile + i);
    for (int r = 1; r < kMR; r++) top = max(load(tile + r * kTokens + i), top);
    const Vf old = load(peak + i), now = max(top * kLog2E, old);
    const Vf sum = exp2Column(tile + i, kMR, kLog2E, now);
    store(total + i, load(total + i) * correctionOf(old, now) + sum);
    store(peak + i, now);
    store(peaks + i, now);
  }
}

/** factor · tile: as lines of A and as units of a panel. */
void scaleTile(const float* tile, const float* factors, uint16_t* line, ptrdiff_t step, uint32_t* units) {
  Vf factor[kRowVectors];
  for (int i = 0; i < kRowVectors; i++) factor[i] = load(factors + i * kLanes);
  for (int r = 0; r < kMR; r += 2) {
    Vf rows[2][kRowVectors];
    for (int j = 0; j < 2; j++) {
      for (int i = 0; i < kRowVectors; i++) rows[j][i] = load(tile + (r + j) * kTokens + i * kLanes) * factor[i];
      keepRow(line + (r + j) * step, rows[j]);
    }
    packPair(units + r / 2 * kTokens, rows[0], rows[1]);
  }
}

/** Losses of the tokens from … and their gradients but for that of w, whose operands it leaves behind. `at`: their place in the round. */
void lossOfBlock(const HeadLoss& h, ptrdiff_t from, ptrdiff_t count, ptrdiff_t at) {
  const ptrdiff_t D = h.D, V = h.V, groups = V / kMR, xPanel = D / 2 * kTokens, idPanel = kIdsAtOnce / 2 * kTokens;
  const int panels = panelsOf(count);
  Scratch own;
  uint32_t* x = own.take<uint32_t>(kPanels * (xPanel + idPanel));
  uint32_t* units = x + kPanels * xPanel;
  float* tiles = own.take<float>(groups * kPanels * kTile + groups * kBlockTokens + D * kBlockTokens);
  float *peaks = tiles + groups * kPanels * kTile, *dx = peaks + groups * kBlockTokens;
  int* first = own.take<int>(groups);
  Tokens tokens;
  for (ptrdiff_t g = 0; g < groups; g++) first[g] = -1;
  for (int t = 0; t < kBlockTokens; t++) {
    tokens.peak[t] = -INFINITY, tokens.total[t] = 0, tokens.own[t] = 0;
    const int target = t < count ? h.targets[from + t] : -1;
    if (target < 0) continue;
    tokens.next[t] = first[target / kMR];
    first[target / kMR] = t;
  }
  for (int p = 0; p < panels; p++) {
    const auto rows = rowsFrom(h.x + (from + p * kTokens) * D, D, count - p * kTokens);
    prefetchRows(rows, (int)D);
    packTokens(x + p * xPanel, rows, (int)D);
    packAcrossTokens(h.xAcross + (at + p * kTokens) / 2 * kNR, kRound / 2 * kNR, rows, (int)D);
  }
  const auto place = [&](ptrdiff_t g, int t) { return tiles + (g * kPanels + t / kTokens) * kTile + (h.targets[from + t] % kMR) * kTokens + t % kTokens; };
  productsBegin<Mode::kPair>();
  for (ptrdiff_t g = 0; g < groups; g++) {
    float* group = tiles + g * kPanels * kTile;
    multiplyTransposed(group, h.w + g * kMR * D, x, xPanel, count, (int)D, g + 1 < groups ? h.w + (g + 1) * kMR * D : nullptr);
    for (int t = first[g]; t >= 0; t = tokens.next[t]) tokens.own[t] = *place(g, t);
    for (int p = 0; p < panels; p++) exponentiate(group + p * kTile, tokens.peak + p * kTokens, tokens.total + p * kTokens, peaks + g * kBlockTokens + p * kTokens);
  }
  for (int t = 0; t < count; t++) {
    const bool there = h.targets[from + t] >= 0;
    h.losses[from + t] = there ? tokens.peak[t] / kLog2E + logf(tokens.total[t]) - tokens.own[t] : 0;
    // From here on a token's share of the gradient: nothing where there is no target.
    tokens.total[t] = there ? h.scale / tokens.total[t] : 0;
  }
  for (ptrdiff_t t = count; t < panels * kTokens; t++) tokens.total[t] = 0;
  for (ptrdiff_t id = 0; id < V; id += kIdsAtOnce) {
    const ptrdiff_t end = id + kIdsAtOnce < V ? id + kIdsAtOnce : V;
    for (ptrdiff_t g = id / kMR; g < end / kMR; g++) {
      alignas(64) float factors[kBlockTokens];
      for (int t = 0; t < panels * kTokens; t += kLanes) store(factors + t, load(tokens.total + t) * exp2(load(peaks + g * kBlockTokens + t) - load(tokens.peak + t)));
      for (int p = 0; p < panels; p++)
        scaleTile(tiles + (g * kPanels + p) * kTile, factors + p * kTokens, h.lines + g * kMR * h.lineStep() + at + p * kTokens, h.lineStep(), units + p * idPanel + (g * kMR - id) / 2 * kTokens);
      for (int t = first[g]; t >= 0; t = tokens.next[t]) {
        const ptrdiff_t target = h.targets[from + t];
        uint16_t gradient;
        store(&gradient, *place(g, t) * factors[t] - h.scale);
        h.lines[target * h.lineStep() + at + t] = gradient;
        ((uint16_t*)(units + t / kTokens * idPanel + (target - id) / 2 * kTokens + t % kTokens))[target % 2] = gradient;
      }
    }
    for (ptrdiff_t d = 0; d < D; d += kMR) multiplyTransposed(dx + d * kBlockTokens, h.wTransposed + d * h.transposedStep() + id, units, idPanel, count, (int)(end - id), nullptr, h.transposedStep(), id > 0);
  }
  for (ptrdiff_t d = 0; d < D; d += kMR)
    for (int p = 0; p < panels; p++) storeTransposed(rowsFrom(h.dx + (from + p * kTokens) * D + d, D, count - p * kTokens), dx + d * kBlockTokens + p * kTile, true, false);
  productsEnd<Mode::kPair>();
}

}  // namespace

void headLoss(const call::HeadLoss& p) {
  HeadLoss h{p.x, p.targets, p.losses, p.dx, p.dw, p.T, p.D, p.V, (float)p.gradScale, nullptr, nullptr, nullptr, nullptr};
  const ptrdiff_t D = h.D, V = h.V;
  Scratch shared(Arena::kShared);
  uint16_t* w = shared.take<uint16_t>(V * D + D * h.transposedStep());
  uint16_t* transposed = w + V * D;
  h.w = w, h.wTransposed = transposed;
  h.lines = shared.take<uint16_t>(V * h.lineStep());
  h.xAcross = shared.take<uint32_t>(kRound * D / 2);
  const float* source = p.w;
  parallelFor(V / 32, [&](ptrdiff_t block) {
    roundRow(w + block * 32 * D, source + block * 32 * D, 32 * D);
    transposeRows(transposed + block * 32, h.transposedStep(), {source + block * 32 * D, false, D, 1}, (int)D);
  });
  for (ptrdiff_t from = 0; from < h.T; from += kRound) {
    const ptrdiff_t count = h.T - from < kRound ? h.T - from : kRound;
    parallelFor((count + kBlockTokens - 1) / kBlockTokens, [&](ptrdiff_t block) {
      const ptrdiff_t at = block * kBlockTokens;
      lossOfBlock(h, from + at, count - at < kBlockTokens ? count - at : kBlockTokens, at);
    });
    const int steps = (int)((count + kTokens - 1) / kTokens);
    parallelFor((V + kLinesAtOnce - 1) / kLinesAtOnce, [&](ptrdiff_t task) {
      const ptrdiff_t line = task * kLinesAtOnce, lines = V - line < kLinesAtOnce ? V - line : kLinesAtOnce;
      productsBegin<Mode::kPair>();
      addOverTokens(h.dw + line * D, D, lines, h.lines + line * h.lineStep(), h.lineStep(), h.xAcross, kRound / 2 * kNR, steps);
      productsEnd<Mode::kPair>();
    });
  }
}

}  // namespace SHOAL_ISA

#endif
