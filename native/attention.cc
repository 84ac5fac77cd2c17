// Latent attention in its naive form, for training and prefill: tile by tile on the microkernel, forward and backward.
#include <math.h>

#include "args.h"
#include "attention-turned.h"

namespace SHOAL_ISA {
namespace {

constexpr int kQueries = kMR * (48 / kMR);  // queries of a tile
constexpr int kKeys = 128;                  // keys of a tile: a multiple of every kNR and kMR-padded below
constexpr int kKeysPadded = (kKeys + kMR - 1) / kMR * kMR;

/** Units of a score's product: the part without rotation, then the rotated part, each filled up to whole units. */
template <Mode mode>
int scoreUnits(const Shape& s) {
  return paddedUnits(mode, unitsFor(mode, s.N) + unitsFor(mode, s.P));
}

/** Rows of q (or of keys) as packed A: [lines][kRowStride], both parts of each. */
template <Mode mode>
void packHeadRows(uint32_t* dst, const float* x, ptrdiff_t step, const float* rope, ptrdiff_t ropeStep, int N, int P, int lines, int units) {
  const int first = unitsFor(mode, N), used = first + unitsFor(mode, P);
  packContiguous<mode>(dst, kRowStride, 1, x, step, lines, N);
  packContiguous<mode>(dst + first, kRowStride, 1, rope, ropeStep, lines, P);
  for (int i = 0; i < lines; i++)
    for (int u = used; u < units; u++) dst[(ptrdiff_t)i * kRowStride + u] = 0;
  for (int i = lines; i % kMR; i++) memset(dst + (ptrdiff_t)i * kRowStride, 0, (size_t)units * 4);
}

/** Keys as packed B: panels [units][kNR], both parts of each key. */
template <Mode mode>
void packHeadPanels(uint32_t* dst, const float* x, ptrdiff_t step, const float* rope, ptrdiff_t ropeStep, int N, int P, int lines, int units) {
  const int first = unitsFor(mode, N), used = first + unitsFor(mode, P);
  for (int i = 0; i < lines; i += kNR, dst += (ptrdiff_t)units * kNR) {
    const int width = lines - i < kNR ? lines - i : kNR;
    if (width < kNR) memset(dst, 0, (size_t)used * kNR * 4);
    packContiguous<mode>(dst, 1, kNR, x + i * step, step, width, N);
    packContiguous<mode>(dst + (ptrdiff_t)first * kNR, 1, kNR, rope + i * ropeStep, ropeStep, width, P);
    memset(dst + (ptrdiff_t)used * kNR, 0, (size_t)(units - used) * kNR * 4);
  }
}

/** A matrix [K][columns] whose columns run contiguously, as packed B. Returns its units. */
template <Mode mode>
int packColumns(uint32_t* dst, const float* x, ptrdiff_t step, int columns, int K) {
  const Source source{x, false, 1, step};
  int units = 0;
  for (int n = 0; n < columns; n += kNR, dst += (ptrdiff_t)units * kNR) {
    units = packPanel<mode>(dst, source, n, columns - n < kNR ? columns - n : kNR, 0, K);
  }
  return units;
}

// ---- forward ----

template <Mode mode>
void forwardHead(const Shape& s, const Head& head, float* out, ptrdiff_t outStep, float* lse) {
  const int units = scoreUnits<mode>(s), columns = roundUp(s.V, kNR);
  const ptrdiff_t tiles = (head.kLen + kKeys - 1) / kKeys;
  // All of the head's keys and values, packed once: K as [tile][panel][units][kNR], V as [tile][panel][units of keys][kNR].
  const ptrdiff_t kTile = (ptrdiff_t)units * kKeys, vTile = (ptrdiff_t)paddedUnits(mode, unitsFor(mode, kKeys)) * columns;
  uint32_t* kPacked = (uint32_t*)scratch(0, (size_t)(tiles * (kTile + vTile)) * 4);
  uint32_t* vPacked = kPacked + tiles * kTile;
  for (ptrdiff_t tile = 0; tile < tiles; tile++) {
    const ptrdiff_t key = tile * kKeys;
    const int keys = (int)(head.kLen - key < kKeys ? head.kLen - key : kKeys);
    packHeadPanels<mode>(kPacked + tile * kTile, head.k + key * head.kvStep, head.kvStep, head.rope + key * head.ropeStep, head.ropeStep, s.N, s.P, keys, units);
    packColumns<mode>(vPacked + tile * vTile, head.v + key * head.kvStep, head.kvStep, s.V, keys);
  }
  uint32_t* a = (uint32_t*)scratch(1, packedABytes(kQueries) * 2);
  uint32_t* probabilities = a + packedABytes(kQueries) / 4;
  float* scores = (float*)scratch(2, (size_t)kQueries * (kKeys + columns) * 4);
  float* sum = scores + kQueries * kKeys;
  for (ptrdiff_t query = 0; query < head.qLen; query += kQueries) {
    const int rows = (int)(head.qLen - query < kQueries ? head.qLen - query : kQueries);
    packHeadRows<mode>(a, head.q + query * head.qStep, head.qStep, head.q + query * head.qStep + s.N, head.qStep, s.N, s.P, rows, units);
    float peak[kQueries], total[kQueries];
    for (int r = 0; r < rows; r++) peak[r] = -INFINITY, total[r] = 0;
    memset(sum, 0, (size_t)kQueries * columns * 4);
    const ptrdiff_t seen = keysSeen(head, query, rows);
    for (ptrdiff_t key = 0; key < seen; key += kKeys) {
      const int keys = (int)(seen - key < kKeys ? seen - key : kKeys);
      multiplyPacked<mode>(scores, kKeys, a, true, kPacked + key / kKeys * kTile, units, rows, keys, false);
      for (int r = 0; r < rows; r++) {
        float* row = scores + (ptrdiff_t)r * kKeys;
        // Row r sees this many of the tile's keys; the others get probability 0.
        const ptrdiff_t limit = keysSeen(head, query + r, 1) - key;
        const int visible = (int)(limit < 0 ? 0 : limit < keys ? limit : keys);
        Vf top = splat(-INFINITY);
        int j = 0;
        for (; j + kLanes <= visible; j += kLanes) top = max(top, load(row + j));
        float tilePeak = lanesMax(top);
        for (; j < visible; j++) tilePeak = row[j] > tilePeak ? row[j] : tilePeak;
        tilePeak *= s.scale;
        const float newPeak = tilePeak > peak[r] ? tilePeak : peak[r];
        if (visible > 0) {
          const float correction = peak[r] == -INFINITY ? 0 : expf(peak[r] - newPeak);
          for (int c = 0; c < columns; c += kLanes) store(sum + (ptrdiff_t)r * columns + c, load(sum + (ptrdiff_t)r * columns + c) * splat(correction));
          for (j = visible; j < visible + kLanes && j < kKeys; j++) row[j] = -INFINITY;
          Vf lanes = {};
          for (j = 0; j < visible; j += kLanes) {
            const Vf p = exp(load(row + j) * splat(s.scale) - splat(newPeak));
            store(row + j, p);
            lanes = lanes + p;
          }
          total[r] = total[r] * correction + lanesSum(lanes);
          peak[r] = newPeak;
        }
        for (j = visible; j < keys; j++) row[j] = 0;
      }
      packRows<mode>(probabilities, Source{scores, false, kKeys, 1}, 0, rows, 0, keys);
      // The values' panels were packed with as many units as the whole tile has keys; the product stops at those seen.
      const ptrdiff_t whole = head.kLen - key < kKeys ? head.kLen - key : kKeys;
      const int packedUnits = paddedUnits(mode, unitsFor(mode, (int)whole)), used = paddedUnits(mode, unitsFor(mode, keys));
      for (int n = 0; n < columns; n += kNR)
        multiplyPacked<mode>(sum + n, columns, probabilities, true, vPacked + key / kKeys * vTile + (ptrdiff_t)n * packedUnits, used, rows, kNR, true);
    }
    for (int r = 0; r < rows; r++) {
      float* to = out + (query + r) * outStep;
      const float inverse = 1.0f / total[r];
      for (int c = 0; c < s.V; c++) to[c] = sum[(ptrdiff_t)r * columns + c] * inverse;
      lse[(query + r) * s.H] = peak[r] + logf(total[r]);
    }
  }
}

// ---- backward ----

template <Mode mode>
void backwardHead(const Shape& s, const Head& head, const Gradients& g, ptrdiff_t outStep) {
  const int units = scoreUnits<mode>(s), vUnits = paddedUnits(mode, unitsFor(mode, s.V));
  const int nColumns = roundUp(s.N, kNR), pColumns = roundUp(s.P, kNR), vColumns = roundUp(s.V, kNR);
  const int keyUnits = paddedUnits(mode, unitsFor(mode, kKeys)), queryUnits = paddedUnits(mode, unitsFor(mode, kQueries));
  // Packed operands. Of the key tile: keys for scores, keys as columns, values as rows. Of the query tile: likewise.
  uint32_t* kPanels = (uint32_t*)scratch(0, (size_t)((ptrdiff_t)(units + vUnits) * kKeys + (ptrdiff_t)keyUnits * (nColumns + pColumns)) * 4);
  uint32_t* vPanels = kPanels + (ptrdiff_t)units * kKeys;
  uint32_t* kColumns = vPanels + (ptrdiff_t)vUnits * kKeys;
  uint32_t* ropeColumns = kColumns + (ptrdiff_t)keyUnits * nColumns;
  uint32_t* qRows = (uint32_t*)scratch(1, packedABytes(kQueries) * 2 + packedABytes(kKeysPadded));
  uint32_t* dRows = qRows + packedABytes(kQueries) / 4;
  uint32_t* transposed = dRows + packedABytes(kQueries) / 4;
  uint32_t* qColumns = (uint32_t*)scratch(3, (size_t)queryUnits * (nColumns + pColumns + vColumns) * 4);
  uint32_t* qRopeColumns = qColumns + (ptrdiff_t)queryUnits * nColumns;
  uint32_t* doutColumns = qRopeColumns + (ptrdiff_t)queryUnits * pColumns;
  // f32 tiles: probabilities, score gradients, and the sums for a key tile (dk, dRope, dv) and a query tile (dq).
  const int keyColumns = nColumns + pColumns + vColumns;
  float* p = (float*)scratch(2, (size_t)((ptrdiff_t)2 * kQueries * kKeys + (ptrdiff_t)kKeysPadded * keyColumns + (ptrdiff_t)kQueries * (nColumns + pColumns)) * 4);
  float* d = p + (ptrdiff_t)kQueries * kKeys;
  float* keySums = d + (ptrdiff_t)kQueries * kKeys;
  float* querySums = keySums + (ptrdiff_t)kKeysPadded * keyColumns;
  float* delta = (float*)scratch(4, (size_t)head.qLen * 4);
  for (ptrdiff_t i = 0; i < head.qLen; i++) {
    float sum = 0;
    for (int c = 0; c < s.V; c++) sum += g.dout[i * outStep + c] * g.out[i * outStep + c];
    delta[i] = sum;
  }
  if (g.fresh) {
    for (ptrdiff_t i = 0; i < head.qLen; i++) memset(g.dq + i * head.qStep, 0, (size_t)(s.N + s.P) * 4);
    for (ptrdiff_t i = 0; i < head.kLen; i++) memset(g.dk + i * head.kvStep, 0, (size_t)(s.N + s.V) * 4);
  }
  for (ptrdiff_t key = 0; key < head.kLen; key += kKeys) {
    const int keys = (int)(head.kLen - key < kKeys ? head.kLen - key : kKeys);
    const float *k = head.k + key * head.kvStep, *v = head.v + key * head.kvStep, *rope = head.rope + key * head.ropeStep;
    packHeadPanels<mode>(kPanels, k, head.kvStep, rope, head.ropeStep, s.N, s.P, keys, units);
    for (int n = 0; n < keys; n += kNR) packPanel<mode>(vPanels + (ptrdiff_t)n * vUnits, Source{v, false, head.kvStep, 1}, n, keys - n < kNR ? keys - n : kNR, 0, s.V);
    const int usedKeyUnits = packColumns<mode>(kColumns, k, head.kvStep, s.N, keys);
    packColumns<mode>(ropeColumns, rope, head.ropeStep, s.P, keys);
    memset(keySums, 0, (size_t)kKeysPadded * keyColumns * 4);
    // The first query that sees any key of this tile.
    ptrdiff_t first = key - (head.kLen - head.qLen);
    if (first < 0) first = 0;
    for (ptrdiff_t query = first / kQueries * kQueries; query < head.qLen; query += kQueries) {
      const int rows = (int)(head.qLen - query < kQueries ? head.qLen - query : kQueries);
      const float *q = head.q + query * head.qStep, *dout = g.dout + query * outStep;
      // Keys of this tile that some of these queries see: of a tile on the diagonal about half.
      const ptrdiff_t some = keysSeen(head, query, rows) - key;
      const int seen = (int)(some < keys ? some : keys), seenColumns = roundUp(seen, kNR);
      packHeadRows<mode>(qRows, q, head.qStep, q + s.N, head.qStep, s.N, s.P, rows, units);
      multiplyPacked<mode>(p, kKeys, qRows, true, kPanels, units, rows, seen, false);
      packRows<mode>(dRows, Source{dout, false, outStep, 1}, 0, rows, 0, s.V);
      multiplyPacked<mode>(d, kKeys, dRows, true, vPanels, vUnits, rows, seen, false);
      for (int r = 0; r < rows; r++) {
        float *pr = p + (ptrdiff_t)r * kKeys, *dr = d + (ptrdiff_t)r * kKeys;
        const ptrdiff_t limit = keysSeen(head, query + r, 1) - key;
        const int visible = (int)(limit < 0 ? 0 : limit < keys ? limit : keys);
        const Vf lse = splat(g.lse[(query + r) * s.H]), del = splat(delta[query + r]), scale = splat(s.scale);
        for (int j = 0; j < visible; j += kLanes) {
          const Vf x = exp(load(pr + j) * scale - lse);
          store(pr + j, x);
          store(dr + j, x * (load(dr + j) - del) * scale);
        }
        for (int j = visible; j < seenColumns; j++) pr[j] = dr[j] = 0;
      }
      // dq += dScore · k
      packRows<mode>(dRows, Source{d, false, kKeys, 1}, 0, rows, 0, seen);
      const int seenUnits = paddedUnits(mode, unitsFor(mode, seen));
      for (int n = 0; n < nColumns; n += kNR)
        multiplyPacked<mode>(querySums + n, nColumns + pColumns, dRows, true, kColumns + (ptrdiff_t)n * usedKeyUnits, seenUnits, rows, kNR, false);
      for (int n = 0; n < pColumns; n += kNR)
        multiplyPacked<mode>(querySums + nColumns + n, nColumns + pColumns, dRows, true, ropeColumns + (ptrdiff_t)n * usedKeyUnits, seenUnits, rows, kNR, false);
      addBlock(g.dq + query * head.qStep, head.qStep, querySums, nColumns + pColumns, rows, s.N);
      addBlock(g.dq + query * head.qStep + s.N, head.qStep, querySums + nColumns, nColumns + pColumns, rows, s.P);
      // dk += dScoreᵀ · q, dRope likewise
      const int usedQueryUnits = packColumns<mode>(qColumns, q, head.qStep, s.N, rows);
      packColumns<mode>(qRopeColumns, q + s.N, head.qStep, s.P, rows);
      packColumns<mode>(doutColumns, dout, outStep, s.V, rows);
      const Source dT{d, false, 1, kKeys}, pT{p, false, 1, kKeys};
      const bool inRows = packsInRows<mode>(dT);
      packA<mode>(transposed, dT, 0, seen, 0, rows);
      multiplyPacked<mode>(keySums, keyColumns, transposed, inRows, qColumns, usedQueryUnits, seen, nColumns, true);
      multiplyPacked<mode>(keySums + nColumns, keyColumns, transposed, inRows, qRopeColumns, usedQueryUnits, seen, pColumns, true);
      // dv += pᵀ · dout
      packA<mode>(transposed, pT, 0, seen, 0, rows);
      multiplyPacked<mode>(keySums + nColumns + pColumns, keyColumns, transposed, inRows, doutColumns, usedQueryUnits, seen, vColumns, true);
    }
    addBlock(g.dk + key * head.kvStep, head.kvStep, keySums, keyColumns, keys, s.N);
    addBlock(g.dv + key * head.kvStep, head.kvStep, keySums + nColumns + pColumns, keyColumns, keys, s.V);
    for (int j = 0; j < keys; j++)
      for (int c = 0; c < s.P; c++) g.dRope[(key + j) * s.P + c] = keySums[(ptrdiff_t)j * keyColumns + nColumns + c];
  }
}

Shape shapeOf(const Arg* x) {
  return {x[0].i32(), x[1].size(), x[2].count(), x[3].count(), x[4].count(), x[5].count(), x[6].size(), x[7].real()};
}

/** segments, S, H, N, P, V, ldk, scale, bf16, out, lse, q, kv, kRope */
double attention(const Arg* args) {
  const Shape s = shapeOf(args);
  const bool bf16 = args[8].flag();
  const ptrdiff_t outStep = (ptrdiff_t)s.H * s.V;
  parallelFor(s.S * s.H, [&](ptrdiff_t task) {
    const int32_t* segment = s.segments + task / s.H * 4;
    const int h = (int)(task % s.H);
    const Head head = headOf(s, segment, h, args[11].f32(), args[12].f32(), args[13].f32());
    float *out = args[9].f32() + segment[0] * outStep + (ptrdiff_t)h * s.V, *lse = args[10].f32() + (ptrdiff_t)segment[0] * s.H + h;
    if (bf16) {
      productsBegin<kBf16Mode>();
#if defined(SHOAL_TILES)
      forwardTurned(s, head, out, outStep, lse);
#else
      forwardHead<kBf16Mode>(s, head, out, outStep, lse);
#endif
      productsEnd<kBf16Mode>();
    } else {
      forwardHead<Mode::kF32>(s, head, out, outStep, lse);
    }
  });
  return 0;
}

/** segments, S, H, N, P, V, ldk, scale, bf16, dq, dkv, dkRope, lddk, dout, out, lse, q, kv, kRope, fresh */
double attentionBackward(const Arg* args) {
  const Shape s = shapeOf(args);
  const bool bf16 = args[8].flag(), fresh = args[19].flag();
  const ptrdiff_t outStep = (ptrdiff_t)s.H * s.V, lddk = args[12].size();
  // Every head adds to the shared rotated key's gradient: each into a part of its own, summed in the order of heads.
  ptrdiff_t* starts = (ptrdiff_t*)sharedScratch(4, (size_t)(s.S + 1) * sizeof(ptrdiff_t));
  starts[0] = 0;
  for (ptrdiff_t i = 0; i < s.S; i++) starts[i + 1] = starts[i] + s.segments[i * 4 + 3];
  float* parts = (float*)sharedScratch(5, (size_t)(starts[s.S] * s.H * s.P + 1) * 4);
  parallelFor(s.S * s.H, [&](ptrdiff_t task) {
    const ptrdiff_t i = task / s.H;
    const int32_t* segment = s.segments + i * 4;
    const int h = (int)(task % s.H);
    const Head head = headOf(s, segment, h, args[16].f32(), args[17].f32(), args[18].f32());
    Gradients g;
    g.dq = args[9].f32() + segment[0] * head.qStep + (ptrdiff_t)h * (s.N + s.P);
    g.dk = args[10].f32() + segment[2] * head.kvStep + (ptrdiff_t)h * (s.N + s.V);
    g.dv = g.dk + s.N;
    g.dRope = parts + (starts[i] * s.H + h * head.kLen) * s.P;
    g.dout = args[13].f32() + segment[0] * outStep + (ptrdiff_t)h * s.V;
    g.out = args[14].f32() + segment[0] * outStep + (ptrdiff_t)h * s.V;
    g.lse = args[15].f32() + (ptrdiff_t)segment[0] * s.H + h;
    g.fresh = fresh;
    if (bf16) {
      productsBegin<kBf16Mode>();
#if defined(SHOAL_TILES)
      backwardTurned(s, head, g, outStep);
#else
      backwardHead<kBf16Mode>(s, head, g, outStep);
#endif
      productsEnd<kBf16Mode>();
    } else {
      backwardHead<Mode::kF32>(s, head, g, outStep);
    }
  });
  float* dkRope = args[11].f32();
  parallelFor(s.S, [&](ptrdiff_t i) {
    const int32_t* segment = s.segments + i * 4;
    for (ptrdiff_t j = 0; j < segment[3]; j++)
      for (int h = 0; h < s.H; h++)
        for (int c = 0; c < s.P; c++) dkRope[(segment[2] + j) * lddk + c] += parts[((starts[i] * s.H + h * segment[3]) + j) * s.P + c];
  });
  return 0;
}

}  // namespace

extern const Entry attentionFamily[] = {{"attention", attention}, {"attentionBackward", attentionBackward}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
