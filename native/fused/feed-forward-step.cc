// The feed-forward half of a layer for a few tokens, as one kernel: norm, router, experts and shared expert, and the residual stream.
// Between its products nothing goes through memory that another kernel would read. For a team of threads, which meet three times.
#include "fused/contract.h"
#include "moe/router.h"
#include "fused/rows.h"

namespace SHOAL_ISA {
namespace {

/** A gate and up projection over a down projection; F numbers between them. */
struct FeedForward {
  Matrix gateUp, down;
  ptrdiff_t F;
};

/** Rows of activations that meet the weights of one feed-forward: their places in `inputs` and, from `hidden` on, in its hidden rows. */
struct Group {
  Matrix gateUp, down;
  const int32_t* inputs;  // null: the rows 0, 1, …
  ptrdiff_t rows, hidden;
};

/** Columns of hidden numbers that one unit of work forms: a block of those that meet quantised weights. */
constexpr int kHiddenColumns = kBlock;

/** Columns that are formed at once of few rows: weights come from memory at its best in long runs, first the gate's and then up's. */
constexpr int kMaxHiddenColumns = 256;

/** hidden[…][f …] = silu(gate) · up of a group's rows: the numbers of units from … to−1. */
void hiddenUnits(const Group& g, ptrdiff_t F, const Rows& inputs, Rows& hidden, ptrdiff_t from, ptrdiff_t to) {
  const ptrdiff_t end = to * kHiddenColumns < F ? to * kHiddenColumns : F;
  // With many rows, only as many columns as stay in L1 until the last of the rows has met them.
  const int most = g.rows > kRowsAtOnce ? kHiddenColumns : kMaxHiddenColumns;
  alignas(64) float gates[kRowsAtOnce * kMaxHiddenColumns], ups[kRowsAtOnce * kMaxHiddenColumns];
  for (ptrdiff_t f = from * kHiddenColumns; f < end; f += most) {
    const int columns = (int)(end - f < most ? end - f : most);
    for (ptrdiff_t first = 0; first < g.rows; first += kRowsAtOnce) {
      const int M = (int)(g.rows - first < kRowsAtOnce ? g.rows - first : kRowsAtOnce);
      ptrdiff_t rows[kRowsAtOnce] = {};
      for (int m = 0; m < M; m++) rows[m] = g.inputs ? g.inputs[first + m] : first + m;
      multiply(g.gateUp, f, inputs, rows, {gates, M, columns, most});
      multiply(g.gateUp, F + f, inputs, rows, {ups, M, columns, most});
      for (int m = 0; m < M; m++) {
        float *gate = gates + m * most, *up = ups + m * most;
        for (int c = columns; c % kLanes; c++) gate[c] = up[c] = 0;
        for (int c = 0; c < columns; c += kLanes) {
          const Vf x = load(gate + c);
          store(gate + c, x * sigmoid(x) * load(up + c));
        }
        hidden.set(g.hidden + first + m, f, gate, columns);
      }
    }
  }
}

/** out[token][n …] += weight · hidden · down, of a group's rows. */
void addUnit(const Group& g, const Rows& hidden, const float* weights, ptrdiff_t n, int columns, float* out, ptrdiff_t D) {
  alignas(64) float tile[kRowsAtOnce * kUnitColumns];
  for (ptrdiff_t first = 0; first < g.rows; first += kRowsAtOnce) {
    const int M = (int)(g.rows - first < kRowsAtOnce ? g.rows - first : kRowsAtOnce);
    ptrdiff_t rows[kRowsAtOnce] = {};
    for (int m = 0; m < M; m++) rows[m] = g.hidden + first + m;
    multiply(g.down, n, hidden, rows, {tile, M, columns, kUnitColumns});
    for (int m = 0; m < M; m++) {
      float* to = out + (g.inputs ? g.inputs[first + m] : first + m) * D + n;
      const float weight = weights ? weights[first + m] : 1;
      for (int c = 0; c < columns; c++) to[c] += weight * tile[m * kUnitColumns + c];
    }
  }
}

}  // namespace

/** The shared part's F is 0 where there is none, and E likewise. */
void feedForwardStep(const call::FeedForwardStep& p) {
  float* out = p.out;
  const float* x = p.x;
  const auto& e = p.experts;
  const ptrdiff_t T = p.T, D = p.D, sharedF = p.shared.F, E = e.E, F = e.F, K = e.K;
  const Router chooser = routerOf(e);
  const FeedForward shared{matrixOf(p.shared.gateUp, D), matrixOf(p.shared.down, sharedF), sharedF}, routed{matrixOf(e.gateUp, D), matrixOf(e.down, F), F};
  const Matrix routerMatrix{kFormatF32, e.router, nullptr, D};
  const ptrdiff_t J = E > 0 ? T * K : 0;

  Rows inputs, sharedHidden, hidden;
  if (sharedF) inputs.want(shared.gateUp), sharedHidden.want(shared.down);
  if (E) inputs.want(routed.gateUp), inputs.want(routerMatrix), hidden.want(routed.down);
  Scratch all(Arena::kShared), own;
  float* logits = all.take<float>(T * E);
  if (sharedF) sharedHidden.takeFrom(all, T);
  if (E) hidden.takeFrom(all, J);
  int32_t *starts = own.take<int32_t>(E + 1), *next = own.take<int32_t>(E), *tokens = own.take<int32_t>(J);
  float* sorted = own.take<float>(J);
  Group* groups = own.take<Group>(E);
  Scratch& each = isFew(T) ? own : all;
  inputs.takeFrom(each, T);
  int32_t* chosen = each.take<int32_t>(J);
  float* shares = each.take<float>(J);

  // With neither part nobody reads the normed rows, and no room was taken for them.
  if (sharedF || E)
    forRows(T, [&](ptrdiff_t t) {
      Scratch memory;
      float* row = memory.take<float>(D);
      normRow(x + t * D, p.norm, D, p.eps, row);
      inputs.set(t, 0, row, D);
    });

  // The router beside the shared expert's gate and up: neither waits for the other.
  const Group everyRow{shared.gateUp, shared.down, nullptr, T, 0};
  const ptrdiff_t sharedUnits = (sharedF + kHiddenColumns - 1) / kHiddenColumns, routerUnits = E ? unitsOf(E) : 0;
  const ptrdiff_t sharedGrain = grainOf(sharedUnits, sharedF ? shared.gateUp.rowBytes() * 2 * kHiddenColumns : 1);
  const ptrdiff_t sharedTasks = (sharedUnits + sharedGrain - 1) / sharedGrain;
  parallelFor(routerUnits + sharedTasks, [&](ptrdiff_t task) {
    if (task < routerUnits) {
      const ptrdiff_t e = task * kUnitColumns;
      for (ptrdiff_t t = 0; t < T; t += kRowsAtOnce) {
        const ptrdiff_t rows[kRowsAtOnce] = {t, t + 1, t + 2, t + 3};
        multiply(routerMatrix, e, inputs, rows, {logits + t * E + e, T - t < kRowsAtOnce ? T - t : kRowsAtOnce, columnsOfUnit(E, task), E});
      }
      return;
    }
    const ptrdiff_t from = (task - routerUnits) * sharedGrain, to = from + sharedGrain < sharedUnits ? from + sharedGrain : sharedUnits;
    hiddenUnits(everyRow, sharedF, inputs, sharedHidden, from, to);
  });

  ptrdiff_t count = 0;
  if (E) {
    forRows(T, [&](ptrdiff_t t) {
      Scratch memory;
      float* scores = memory.take<float>(E + (ptrdiff_t)chooser.scratchNumbers());
      choose(chooser, logits + t * E, p.experts.bias, scores, chosen + t * K, shares + t * K, scores + E);
    });
    clearBytes(starts, (E + 1) * 4);
    for (ptrdiff_t i = 0; i < J; i++) starts[chosen[i] + 1]++;
    for (ptrdiff_t e = 0; e < E; e++) starts[e + 1] += starts[e], next[e] = starts[e];
    for (ptrdiff_t i = 0; i < J; i++) {
      const int32_t place = next[chosen[i]]++;
      tokens[place] = (int32_t)(i / K);
      sorted[place] = shares[i];
    }
    for (ptrdiff_t e = 0; e < E; e++) {
      const ptrdiff_t rows = starts[e + 1] - starts[e];
      if (rows > 0) groups[count++] = {routed.gateUp.from(e * 2 * F), routed.down.from(e * D), tokens + starts[e], rows, starts[e]};
    }
    if (member() == 0) {
      copyBytes(p.experts.indices, chosen, J * 4);
      copyBytes(p.experts.weights, shares, J * 4);
      copyBytes(p.experts.offsets, starts, (E + 1) * 4);
    }
    const ptrdiff_t units = (F + kHiddenColumns - 1) / kHiddenColumns;
    const ptrdiff_t grain = grainOf(units * count, routed.gateUp.rowBytes() * 2 * kHiddenColumns), perGroup = (units + grain - 1) / grain;
    parallelFor(count * perGroup, [&](ptrdiff_t task) {
      const ptrdiff_t from = task % perGroup * grain, to = from + grain < units ? from + grain : units;
      hiddenUnits(groups[task / perGroup], F, inputs, hidden, from, to);
    });
  }

  // A task owns columns of the output, and adds to them expert by expert in their order.
  const ptrdiff_t units = unitsOf(D), bytes = (E ? routed.down.rowBytes() * count : 0) + (sharedF ? shared.down.rowBytes() : 0);
  parallelRange(units, grainOf(units, bytes * kUnitColumns), [&](ptrdiff_t from, ptrdiff_t to) {
    const ptrdiff_t c0 = from * kUnitColumns, c1 = to * kUnitColumns < D ? to * kUnitColumns : D;
    if (out != x)
      for (ptrdiff_t t = 0; t < T; t++) copyBytes(out + t * D + c0, x + t * D + c0, (c1 - c0) * 4);
    for (ptrdiff_t g = 0; g < count; g++)
      for (ptrdiff_t unit = from; unit < to; unit++)
        addUnit(groups[g], hidden, sorted + groups[g].hidden, unit * kUnitColumns, columnsOfUnit(D, unit), out, D);
    if (sharedF)
      for (ptrdiff_t unit = from; unit < to; unit++) addUnit(everyRow, sharedHidden, nullptr, unit * kUnitColumns, columnsOfUnit(D, unit), out, D);
  });
}

}  // namespace SHOAL_ISA
