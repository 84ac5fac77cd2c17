// The feed-forward of many tokens as one kernel, down(silu(gate(x)) · up(x)), of experts or of one for all, and its gradient. What lies between the
// products stays in a core's cache; the gradient computes it again instead of reading it back. For tile units only: they multiply faster than memory moves.
#include <algorithm>

#include "fused/contract.h"
#include "gemm/transposed.h"

#if defined(SHOAL_TILES)

namespace SHOAL_ISA {
namespace {

/** Rows of one expert that a task takes through the products, and of which range of a round they are (the gradient's). */
struct TokenBlock {
  ptrdiff_t expert, from, count, range;
};

struct Experts {
  ConstBuffer x;
  const int32_t *tokens, *offsets;  // tokens null: row j is token j
  ptrdiff_t E, D, F;
  TokenBlock* blocks;  // with room for those of all rows

  ptrdiff_t tokenOf(ptrdiff_t j) const { return tokens ? tokens[j] : j; }
};

template <class Call>
Experts expertsOf(const Call& p, Scratch& shared) {
  Experts s{p.x, p.rows, p.offsets, p.E, p.D, p.F, nullptr};
  s.blocks = shared.take<TokenBlock>(s.E + s.offsets[s.E] / kBlockTokens + 1);
  return s;
}

/** Rows from … to−1 of an expert as blocks from blocks[count] on. Returns the new count. */
ptrdiff_t addBlocks(const Experts& s, ptrdiff_t count, ptrdiff_t expert, ptrdiff_t from, ptrdiff_t to, ptrdiff_t range) {
  for (; from < to; from += kBlockTokens) s.blocks[count++] = {expert, from, to - from < kBlockTokens ? to - from : kBlockTokens, range};
  return count;
}

/** Rows of `matrix` [T][D] that panel p of a block reads. */
template <class T>
TokenRows<T> rowsOfPanel(const Experts& s, const TokenBlock& block, int p, const T* matrix) {
  TokenRows<T> rows;
  for (int t = 0; t < kTokens; t++) {
    const ptrdiff_t i = p * kTokens + t;
    rows.at[t] = i < block.count ? matrix + s.tokenOf(block.from + i) * s.D : nullptr;
  }
  return rows;
}

/** Where columns n … n+31 of results [J][D] of a panel go. */
OutRows outRows(const TokenBlock& block, int p, float* out, ptrdiff_t D, ptrdiff_t n) {
  return rowsFrom(out + (block.from + p * kTokens) * D + n, D, block.count - p * kTokens);
}

constexpr ptrdiff_t kTransposedAtOnce = 128;  // columns that a task transposes

/** Weights in bf16 as they are, or rounded into shared memory. */
const uint16_t* roundedWeights(Scratch& shared, const ConstBuffer& w, ptrdiff_t numbers) {
  if (w.isBf16()) return w.bf16();
  uint16_t* rounded = shared.take<uint16_t>(numbers);
  const float* from = w.f32();
  parallelRange(numbers, 1 << 15, [&](ptrdiff_t first, ptrdiff_t last) { roundRow(rounded + first, from + first, last - first); });
  return rounded;
}

/** E matrices [rows][columns] as bf16 [columns][rows]. */
const uint16_t* transposedWeights(Scratch& shared, const ConstBuffer& w, ptrdiff_t E, ptrdiff_t rows, ptrdiff_t columns) {
  uint16_t* transposed = shared.take<uint16_t>(E * rows * columns);
  const ptrdiff_t parts = (columns + kTransposedAtOnce - 1) / kTransposedAtOnce;
  parallelFor(E * parts, [&](ptrdiff_t task) {
    const ptrdiff_t e = task / parts, from = task % parts * kTransposedAtOnce, to = from + kTransposedAtOnce < columns ? from + kTransposedAtOnce : columns;
    const Source source{w.data, w.isBf16(), columns, 1};
    uint16_t* lines = transposed + (e * columns + from) * rows;
    for (ptrdiff_t row = 0; row < rows; row += 32) transposeRows(lines + row, rows, {source.at(e * rows + row, from), source.bf16, columns, 1}, (int)(to - from));
  });
  return transposed;
}

/** silu(gate) · up of a tile, as units of a panel. */
void activate(uint32_t* units, const float* gate, const float* up) {
  for (int f = 0; f < kMR; f += 2) {
    Vf hidden[2][kRowVectors];
    for (int r = 0; r < 2; r++) {
      for (int i = 0; i < kRowVectors; i++) {
        const int at = (f + r) * kTokens + i * kLanes;
        const Vf g = load(gate + at);
        hidden[r][i] = g * sigmoid(g) * load(up + at);
      }
    }
    packPair(units + f / 2 * kTokens, hidden[0], hidden[1]);
  }
}

}  // namespace

void feedForward(const call::FeedForward& call) {
  Scratch shared(Arena::kShared);
  const Experts s = expertsOf(call, shared);
  const ptrdiff_t D = s.D, F = s.F;
  const bool nonTemporal = isNonTemporal(s.offsets[s.E] * D);
  const uint16_t *gateUp = roundedWeights(shared, call.gateUp, s.E * 2 * F * D), *down = roundedWeights(shared, call.down, s.E * D * F);
  ptrdiff_t blocks = 0;
  for (ptrdiff_t e = 0; e < s.E; e++) blocks = addBlocks(s, blocks, e, s.offsets[e], s.offsets[e + 1], 0);
  // The largest first, so that threads end together.
  std::sort(s.blocks, s.blocks + blocks, [](const TokenBlock& a, const TokenBlock& b) { return a.count != b.count ? a.count > b.count : a.from < b.from; });
  parallelFor(blocks, [&](ptrdiff_t task) {
    const TokenBlock& block = s.blocks[task];
    const int panels = panelsOf(block.count);
    const ptrdiff_t xPanel = D / 2 * kTokens, hPanel = F / 2 * kTokens;
    Scratch own;
    uint32_t* x = own.take<uint32_t>(kPanels * (xPanel + hPanel));
    uint32_t* hidden = x + kPanels * xPanel;
    float* gates = own.take<float>(2 * kPanels * kTile);
    float* ups = gates + kPanels * kTile;
    const uint16_t *gate = gateUp + block.expert * 2 * F * D, *downs = down + block.expert * D * F;
    for (ptrdiff_t i = 0; i < kMR * D; i += 32) __builtin_prefetch(gate + i, 0, 2);
    for (int p = 0; p < panels; p++) {
      inItsType(s.x, [&](const auto* matrix) {
        const auto rows = rowsOfPanel(s, block, p, matrix);
        prefetchRows(rows, (int)D);
        packTokens(x + p * xPanel, rows, (int)D);
      });
    }
    productsBegin<Mode::kPair>();
    for (ptrdiff_t f = 0; f < F; f += kMR) {
      const uint16_t *g = gate + f * D, *u = g + F * D, *next = f + kMR < F ? g + kMR * D : downs;
      multiplyTransposed(gates, g, x, xPanel, block.count, (int)D, u);
      multiplyTransposed(ups, u, x, xPanel, block.count, (int)D, next);
      for (int p = 0; p < panels; p++) activate(hidden + p * hPanel + f / 2 * kTokens, gates + p * kTile, ups + p * kTile);
    }
    for (ptrdiff_t d = 0; d < D; d += kMR) {
      multiplyTransposed(gates, downs + d * F, hidden, hPanel, block.count, (int)F, d + kMR < D ? downs + (d + kMR) * F : nullptr);
      for (int p = 0; p < panels; p++) storeTransposed(outRows(block, p, call.out, D, d), gates + p * kTile, false, nonTemporal);
    }
    productsEnd<Mode::kPair>();
    nonTemporalFence();
  });
}

namespace {

// ---- gradient ----

/** Rows of one expert that are summed over together, `start` tokens into what is kept. */
struct Range {
  ptrdiff_t expert, from, count, start;

  /** Filled up to panels. */
  ptrdiff_t tokens() const { return (count + kTokens - 1) / kTokens * kTokens; }
  /** Numbers from line to line of A: not a power of two, whose lines would meet in the cache. */
  ptrdiff_t lineStep() const { return tokens() + kTokens; }
  ptrdiff_t panelStride() const { return tokens() / 2 * kNR; }
};

/** Tokens between whose blocks and whose sums over tokens the threads meet: what the sums read is then still in a cache. */
constexpr ptrdiff_t kRoundTokens = 4096;

/** What the sums over tokens read: lines of A [2F of gate and up | F hidden][tokens], panels of B from x and from dout. */
struct Kept {
  uint16_t* lines;
  uint32_t *x, *dout;
  ptrdiff_t D, F;

  uint16_t* line(const Range& range, ptrdiff_t index, ptrdiff_t line) const { return lines + 3 * F * (range.start + index * kTokens) + line * range.lineStep(); }
  uint32_t* panels(uint32_t* of, const Range& range) const { return of + range.start / 2 * D; }
};

struct Gradient {
  Experts s;
  Kept kept;
  const float *dout, *weights;
  const int32_t* choices;  // [J]: where a row's weight stands; null: all weights are 1
  const uint16_t *gateUp, *gateUpTransposed, *downTransposed;
  float *dx, *dWeights;
  bool accumulate, nonTemporal;
  Range* ranges;
};

/** Where the numbers of 32 tokens go from a tile: lines of A, and units of panels of the gradients of gate and up. */
struct TileOut {
  uint16_t *dGate, *dUp, *hidden;
  ptrdiff_t lineStep;
  uint32_t *dGateUnits, *dUpUnits;
};

/**
 * From tiles of gate, up and d loss / d hidden (before weighting): the gradients of gate and up, and weight · hidden. Adds hidden · d hidden of each
 * token to `sums`.
 */
void gradientTiles(const float* gate, const float* up, const float* dHidden, const float* weights, float* sums, const TileOut& out) {
  Vf weight[kRowVectors], sum[kRowVectors];
  for (int i = 0; i < kRowVectors; i++) weight[i] = load(weights + i * kLanes), sum[i] = load(sums + i * kLanes);
  for (int f = 0; f < kMR; f += 2) {
    Vf dGate[2][kRowVectors], dUp[2][kRowVectors], hidden[2][kRowVectors];
    for (int r = 0; r < 2; r++) {
      for (int i = 0; i < kRowVectors; i++) {
        const int at = (f + r) * kTokens + i * kLanes;
        const Vf g = load(gate + at), u = load(up + at), unweighted = load(dHidden + at), d = weight[i] * unweighted;
        const Vf s = sigmoid(g), gs = g * s, h = gs * u;
        sum[i] += h * unweighted;
        hidden[r][i] = weight[i] * h;
        dUp[r][i] = d * gs;
        dGate[r][i] = d * u * (s + gs * (1.0f - s));
      }
      keepRow(out.dGate + (f + r) * out.lineStep, dGate[r]);
      keepRow(out.dUp + (f + r) * out.lineStep, dUp[r]);
      keepRow(out.hidden + (f + r) * out.lineStep, hidden[r]);
    }
    packPair(out.dGateUnits + f / 2 * kTokens, dGate[0], dGate[1]);
    packPair(out.dUpUnits + f / 2 * kTokens, dUp[0], dUp[1]);
  }
  for (int i = 0; i < kRowVectors; i++) store(sums + i * kLanes, sum[i]);
}

/** Everything of one block but the sums over tokens, whose operands it leaves in `kept`. */
void gradientBlock(const Gradient& g, const TokenBlock& block) {
  const Experts& s = g.s;
  const Range& range = g.ranges[block.range];
  const ptrdiff_t D = s.D, F = s.F, e = block.expert, panel = D / 2 * kTokens, dPanel = F * kTokens, at = block.from - range.from;
  const int panels = panelsOf(block.count);
  Scratch own;
  uint32_t* x = own.take<uint32_t>(kPanels * (2 * panel + dPanel));
  uint32_t *dout = x + kPanels * panel, *dGateUp = dout + kPanels * panel;
  float* gates = own.take<float>(3 * kPanels * kTile);
  float *ups = gates + kPanels * kTile, *dHidden = ups + kPanels * kTile;
  alignas(64) float weights[kBlockTokens], sums[kBlockTokens];
  for (ptrdiff_t i = 0; i < kBlockTokens; i++) {
    weights[i] = i >= block.count ? 0 : g.choices ? g.weights[g.choices[block.from + i]] : 1;
    sums[i] = 0;
  }
  for (int p = 0; p < panels; p++) {
    const ptrdiff_t unit = (at / 2 + p * kTokens / 2) * kNR;
    const auto gradients = rowsOfPanel(s, block, p, g.dout);
    inItsType(s.x, [&](const auto* matrix) {
      const auto rows = rowsOfPanel(s, block, p, matrix);
      prefetchRows(rows, (int)D);
      prefetchRows(gradients, (int)D);
      packTokens(x + p * panel, rows, (int)D);
      packAcrossTokens(g.kept.panels(g.kept.x, range) + unit, range.panelStride(), rows, (int)D);
    });
    packTokens(dout + p * panel, gradients, (int)D);
    packAcrossTokens(g.kept.panels(g.kept.dout, range) + unit, range.panelStride(), gradients, (int)D);
  }
  const uint16_t *gateUp = g.gateUp + e * 2 * F * D, *down = g.downTransposed + e * F * D, *transposed = g.gateUpTransposed + e * 2 * F * D;
  productsBegin<Mode::kPair>();
  for (ptrdiff_t f = 0; f < F; f += kMR) {
    const uint16_t *gate = gateUp + f * D, *up = gate + F * D, *downs = down + f * D, *next = f + kMR < F ? gate + kMR * D : transposed;
    multiplyTransposed(gates, gate, x, panel, block.count, (int)D, up);
    multiplyTransposed(ups, up, x, panel, block.count, (int)D, downs);
    multiplyTransposed(dHidden, downs, dout, panel, block.count, (int)D, next);
    for (int p = 0; p < panels; p++) {
      const auto line = [&](ptrdiff_t i) { return g.kept.line(range, block.range, i) + at + p * kTokens; };
      const auto units = [&](ptrdiff_t i) { return dGateUp + p * dPanel + i / 2 * kTokens; };
      const TileOut out{line(f), line(F + f), line(2 * F + f), range.lineStep(), units(f), units(F + f)};
      gradientTiles(gates + p * kTile, ups + p * kTile, dHidden + p * kTile, weights + p * kTokens, sums + p * kTokens, out);
    }
  }
  for (ptrdiff_t d = 0; d < D; d += kMR) {
    multiplyTransposed(gates, transposed + d * 2 * F, dGateUp, dPanel, block.count, (int)(2 * F), d + kMR < D ? transposed + (d + kMR) * 2 * F : nullptr);
    for (int p = 0; p < panels; p++) storeTransposed(outRows(block, p, g.dx, D, d), gates + p * kTile, g.accumulate, g.nonTemporal);
  }
  productsEnd<Mode::kPair>();
  nonTemporalFence();
  if (g.dWeights)
    for (ptrdiff_t i = 0; i < block.count; i++) g.dWeights[g.choices[block.from + i]] += sums[i];
}

constexpr ptrdiff_t kLinesAtOnce = 128;

/** Lines from … to−1 of one range's sums over tokens: those of gate and up go to dGateUp[2F][D], those of hidden numbers, turned, to dDown[D][F]. */
void sumOverTokens(const Gradient& g, ptrdiff_t index, ptrdiff_t from, ptrdiff_t to, float* dGateUp, float* dDown) {
  const Kept& kept = g.kept;
  const Range& range = g.ranges[index];
  const ptrdiff_t D = g.s.D, F = g.s.F, step = range.lineStep(), stride = range.panelStride();
  const int steps = (int)(range.tokens() / kTokens);
  productsBegin<Mode::kPair>();
  if (from < 2 * F) {
    addOverTokens(dGateUp + from * D, D, to - from, kept.line(range, index, from), step, kept.panels(kept.x, range), stride, steps);
  } else {
    alignas(64) float tile[kTile];
    for (ptrdiff_t d = 0; d < D; d += kNR) {
      const uint8_t* panel = (const uint8_t*)(kept.panels(kept.dout, range) + d / kNR * stride);
      for (ptrdiff_t line = from; line < to; line += kMR) {
        tileProduct32(tile, kTokens, (const uint8_t*)kept.line(range, index, line), step * 2, panel, steps, false);
        storeTransposed(rowsFrom(dDown + d * F + (line - 2 * F), F, kTokens), tile, true, false);
      }
    }
  }
  productsEnd<Mode::kPair>();
}

/** Rows from `from` on as ranges, until a round is full. Returns their number. */
ptrdiff_t rangesFrom(const Experts& s, ptrdiff_t from, Range* ranges) {
  ptrdiff_t count = 0, start = 0;
  for (ptrdiff_t e = 0; e < s.E && start < kRoundTokens; e++) {
    const ptrdiff_t first = from > s.offsets[e] ? from : s.offsets[e], left = s.offsets[e + 1] - first, room = kRoundTokens - start;
    if (left <= 0) continue;
    ranges[count] = {e, first, left < room ? left : room, start};
    start += ranges[count++].tokens();
  }
  return count;
}

}  // namespace

void feedForwardBackward(const call::FeedForwardBackward& p) {
  Scratch shared(Arena::kShared);
  Gradient g{};
  g.s = expertsOf(p, shared);
  const ptrdiff_t E = g.s.E, D = g.s.D, F = g.s.F, J = g.s.offsets[E];
  g.dx = p.dx, g.accumulate = p.accumulate, g.nonTemporal = isNonTemporal(J * D);
  g.dWeights = p.mixture.dWeights, g.dout = p.dout, g.weights = p.mixture.weights;
  if (g.weights) {
    int32_t* choices = shared.take<int32_t>(J);
    // Rows that no choice claims read the first choice's weight, not what was in memory.
    clearBytes(choices, J * 4);
    for (ptrdiff_t i = 0; i < J; i++) choices[p.mixture.place[i]] = (int32_t)i;
    g.choices = choices;
  }
  g.gateUp = roundedWeights(shared, p.gateUp, E * 2 * F * D);
  g.gateUpTransposed = transposedWeights(shared, p.gateUp, E, 2 * F, D);
  g.downTransposed = transposedWeights(shared, p.down, E, D, F);
  // A round's ranges hold no more tokens than fit, each filled up to panels.
  g.ranges = shared.take<Range>(E + 1);
  g.kept = {shared.take<uint16_t>(3 * F * (kRoundTokens + (E + 1) * 2 * kTokens)), shared.take<uint32_t>(kRoundTokens * D), nullptr, D, F};
  g.kept.dout = g.kept.x + kRoundTokens / 2 * D;
  // Groups of lines do not cross from gate and up to hidden numbers.
  const ptrdiff_t wide = (2 * F + kLinesAtOnce - 1) / kLinesAtOnce, all = wide + (F + kLinesAtOnce - 1) / kLinesAtOnce;
  for (ptrdiff_t from = 0; from < J;) {
    const ptrdiff_t count = rangesFrom(g.s, from, g.ranges);
    ptrdiff_t blocks = 0;
    for (ptrdiff_t r = 0; r < count; r++) blocks = addBlocks(g.s, blocks, g.ranges[r].expert, g.ranges[r].from, g.ranges[r].from + g.ranges[r].count, r);
    parallelFor(blocks, [&](ptrdiff_t task) { gradientBlock(g, g.s.blocks[task]); });
    parallelFor(count * all, [&](ptrdiff_t task) {
      const ptrdiff_t r = task / all, group = task % all, e = g.ranges[r].expert;
      const ptrdiff_t first = group < wide ? group * kLinesAtOnce : 2 * F + (group - wide) * kLinesAtOnce, end = group < wide ? 2 * F : 3 * F;
      sumOverTokens(g, r, first, first + kLinesAtOnce < end ? first + kLinesAtOnce : end, p.dGateUp + e * 2 * F * D, p.dDown + e * D * F);
    });
    from = g.ranges[count - 1].from + g.ranges[count - 1].count;
  }
}

}  // namespace SHOAL_ISA

#endif
