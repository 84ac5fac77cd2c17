// Latent attention in its naive form, for training and prefill: tile by tile on the microkernel, forward and backward.
#include <math.h>

#include "attention/contract.h"
#include "attention/transposed.h"

namespace SHOAL_ISA {
namespace {

constexpr int kQueries = kMR * (48 / kMR);  // queries of a tile
constexpr int kKeys = 256;                  // keys of a tile: a multiple of every kNR and kMR-padded below
constexpr int kKeysPadded = (kKeys + kMR - 1) / kMR * kMR;

/** Lines of K numbers as the columns of packed B. */
template <Mode mode>
void packPanels(uint32_t* dst, const Source& source, int lines, int K) {
  const int units = unitsFor(mode, K);
  for (int n = 0; n < lines; n += kNR) packPanel<mode>(dst + (ptrdiff_t)n * units, source, n, lines - n < kNR ? lines - n : kNR, 0, K);
}

/** A matrix whose rows are `step` apart, as a source of its rows and of its columns. */
Source rowsOf(const float* x, ptrdiff_t step) { return {x, false, step, 1}; }
Source columnsOf(const float* x, ptrdiff_t step) { return {x, false, 1, step}; }

constexpr int kPrefetchRows = 8;

/** The keys of a head with both their parts side by side, [keys][N+P], from `key` on; their values are asked for. */
void joinKeys(float* joined, const Shape& s, const Head& head, ptrdiff_t key, int keys) {
  for (int i = 0; i < keys; i++, joined += s.N + s.P) {
    prefetchRow(head.k + (key + i + kPrefetchRows) * head.kvStep, s.N + s.V);
    copyRow(joined, head.k + (key + i) * head.kvStep, s.N);
    copyRow(joined + s.N, head.rope + (key + i) * head.ropeStep, s.P);
  }
}

/**
 * The causal mask between a tile of queries and a tile of keys: row r sees the tile's first `offset` + r + 1 keys. `offset` is how far the tile's first query
 * stands behind the tile's first key; below 0 it stands before it.
 */
struct CausalMask {
  ptrdiff_t offset;
  int rows, keys;

  /** How many keys a row sees. */
  int of(int row) const {
    const ptrdiff_t seen = offset + row + 1;
    return (int)(seen < 0 ? 0 : seen < keys ? seen : keys);
  }
  /** How many keys the last of the kMR rows from `first` on sees, which sees the most. */
  int ofLines(int first) const { return of((first + kMR < rows ? first + kMR : rows) - 1); }
  /** The first row that sees a key. */
  int rowOf(int key) const { return (int)(key > offset ? key - offset : 0); }
};

/** scores[kQueries][kKeys] = packed rows of queries · packed keys, where a row of the same kMR sees the key; elsewhere they are not set. */
template <Mode mode>
void multiplySeen(float* scores, const CausalMask& mask, const uint32_t* rows, const uint32_t* keys, int units) {
  for (int m = 0; m < mask.rows; m += kMR)
    multiplyLines<mode, kRowStride, 1>({scores + m * kKeys, kMR, mask.ofLines(m), kKeys}, rows + m * kRowStride, keys, units, {0, units}, false);
}

/** out[kQueries][cols] (+)= packed rows over keys · a packed matrix of the keys' numbers, over the keys that a row of the same kMR sees. */
template <Mode mode>
void sumSeen(const Mat& out, const CausalMask& mask, const uint32_t* rows, const uint32_t* keys, int keyUnits, bool accumulate) {
  for (int m = 0; m < mask.rows; m += kMR)
    multiplyLines<mode, kRowStride, 1>({out.row(m), kMR, out.cols, out.stride}, rows + m * kRowStride, keys, keyUnits, {0, unitsFor(mode, mask.ofLines(m))}, accumulate);
}

/** A row's keys that it does not see, those up to `end`, become 0. */
void hideRest(float* row, int seen, int end) {
  for (int j = seen; j < end; j++) row[j] = 0;
}

// ---- forward ----

template <Mode mode>
void forwardHead(const Shape& s, const Head& head, float* out, ptrdiff_t outStep, float* lse) {
  const int width = s.N + s.P, units = unitsFor(mode, width), columns = roundUp(s.V, kNR);
  const ptrdiff_t tiles = (head.kLen + kKeys - 1) / kKeys;
  // All of the head's keys and values, packed once: K as [tile][panel][units][kNR], V as [tile][panel][units of keys][kNR].
  const ptrdiff_t kTile = (ptrdiff_t)units * kKeys, vTile = (ptrdiff_t)unitsFor(mode, kKeys) * columns;
  Scratch own;
  uint32_t* kPacked = own.take<uint32_t>(tiles * (kTile + vTile));
  uint32_t* vPacked = kPacked + tiles * kTile;
  float* joined = own.take<float>((ptrdiff_t)kKeys * width);
  for (ptrdiff_t tile = 0; tile < tiles; tile++) {
    const ptrdiff_t key = tile * kKeys;
    const int keys = (int)(head.kLen - key < kKeys ? head.kLen - key : kKeys);
    joinKeys(joined, s, head, key, keys);
    packPanels<mode>(kPacked + tile * kTile, rowsOf(joined, width), keys, width);
    packPanels<mode>(vPacked + tile * vTile, columnsOf(head.v + key * head.kvStep, head.kvStep), s.V, keys);
  }
  uint32_t* a = own.take<uint32_t>(packedAUnits(kQueries) * 2);
  uint32_t* probabilities = a + packedAUnits(kQueries);
  float* scores = own.take<float>((ptrdiff_t)kQueries * (kKeys + columns));
  float* sum = scores + kQueries * kKeys;
  for (ptrdiff_t query = 0; query < head.qLen; query += kQueries) {
    const int rows = (int)(head.qLen - query < kQueries ? head.qLen - query : kQueries);
    packRows<mode>(a, rowsOf(head.q + query * head.qStep, head.qStep), 0, rows, 0, width);
    float peak[kQueries], total[kQueries];
    const ptrdiff_t seen = keysSeen(head, query, rows);
    for (ptrdiff_t key = 0; key < seen; key += kKeys) {
      const int keys = (int)(seen - key < kKeys ? seen - key : kKeys);
      const CausalMask mask{keysSeen(head, query, 0) - key, rows, keys};
      multiplySeen<mode>(scores, mask, a, kPacked + key / kKeys * kTile, units);
      for (int r = 0; r < rows; r++) {
        float* row = scores + (ptrdiff_t)r * kKeys;
        const int visible = mask.of(r);
        Vf top = splat(-INFINITY);
        int j = 0;
        for (; j + kLanes <= visible; j += kLanes) top = max(top, load(row + j));
        float tilePeak = lanesMax(top);
        for (; j < visible; j++) tilePeak = row[j] > tilePeak ? row[j] : tilePeak;
        tilePeak *= s.scale;
        // Every row sees some key of the first tile.
        if (key == 0) peak[r] = tilePeak, total[r] = 0;
        if (visible > 0) {
          const float newPeak = tilePeak > peak[r] ? tilePeak : peak[r];
          if (newPeak > peak[r]) {
            const float correction = expf(peak[r] - newPeak);
            for (int c = 0; c < columns; c += kLanes) store(sum + (ptrdiff_t)r * columns + c, load(sum + (ptrdiff_t)r * columns + c) * splat(correction));
            peak[r] = newPeak, total[r] *= correction;
          }
          for (j = visible; j < visible + kLanes && j < kKeys; j++) row[j] = -INFINITY;
          Vf lanes = {};
          for (j = 0; j < visible; j += kLanes) {
            const Vf p = exp(load(row + j) * splat(s.scale) - splat(peak[r]));
            store(row + j, p);
            lanes = lanes + p;
          }
          total[r] += lanesSum(lanes);
        }
        hideRest(row, visible, keys);
      }
      packRows<mode>(probabilities, rowsOf(scores, kKeys), 0, rows, 0, keys);
      // The values' panels were packed with as many units as the whole tile has keys; the product stops at those seen.
      const int whole = (int)(head.kLen - key < kKeys ? head.kLen - key : kKeys);
      sumSeen<mode>({sum, kQueries, s.V, columns}, mask, probabilities, vPacked + key / kKeys * vTile, unitsFor(mode, whole), key > 0);
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

/**
 * sums[keys][cols] += (numbers[kQueries][kKeys])ᵀ · a packed matrix of the queries' numbers, over the queries that see some key of the same kMR.
 * Sums of keys that no query before has seen, from `before` on, begin here.
 */
template <Mode mode>
void sumOverQueries(const Mat& sums, const CausalMask& mask, int before, const float* numbers, const uint32_t* queries) {
  const int seen = mask.of(mask.rows - 1), units = unitsFor(mode, mask.rows);
  Scratch own;
  uint32_t* transposed = own.take<uint32_t>(packedAUnits(kKeysPadded));
  packTransposedPanels<mode>(transposed, columnsOf(numbers, kKeys), 0, seen, 0, mask.rows);
  for (int m = 0; m < seen; m += kMR)
    multiplyLines<mode, 1, kMR>({sums.row(m), kMR, sums.cols, sums.stride}, transposed + (ptrdiff_t)(m / kMR) * kUnits * kMR, queries, units, {mask.rowOf(m) / kPerUnit(mode), units}, m < before);
}

template <Mode mode>
void backwardHead(const Shape& s, const Head& head, const Gradients& g, ptrdiff_t outStep) {
  const int width = s.N + s.P, units = unitsFor(mode, width), vUnits = unitsFor(mode, s.V);
  const int columns = roundUp(width, kNR), vColumns = roundUp(s.V, kNR), keyColumns = columns + vColumns;
  // Packed operands. Of the key tile: keys for scores, values likewise, keys as a matrix. Of the query tile: rows, and as matrices.
  Scratch own;
  uint32_t* kPanels = own.take<uint32_t>((ptrdiff_t)(units + vUnits) * kKeys + (ptrdiff_t)unitsFor(mode, kKeys) * columns);
  uint32_t* vPanels = kPanels + (ptrdiff_t)units * kKeys;
  uint32_t* kColumns = vPanels + (ptrdiff_t)vUnits * kKeys;
  uint32_t* qRows = own.take<uint32_t>(packedAUnits(kQueries) * 2);
  uint32_t* dRows = qRows + packedAUnits(kQueries);
  uint32_t* qColumns = own.take<uint32_t>((ptrdiff_t)unitsFor(mode, kQueries) * keyColumns);
  uint32_t* doutColumns = qColumns + (ptrdiff_t)unitsFor(mode, kQueries) * columns;
  // f32 tiles: probabilities, score gradients, keys, and the sums for a key tile (dk with dRope, dv) and a query tile (dq).
  float* p = own.take<float>((ptrdiff_t)2 * kQueries * kKeys + (ptrdiff_t)kKeys * width + (ptrdiff_t)kKeysPadded * keyColumns + (ptrdiff_t)kQueries * columns);
  float* d = p + (ptrdiff_t)kQueries * kKeys;
  float* joined = d + (ptrdiff_t)kQueries * kKeys;
  float* keySums = joined + (ptrdiff_t)kKeys * width;
  float* querySums = keySums + (ptrdiff_t)kKeysPadded * keyColumns;
  float* delta = own.take<float>(head.qLen);
  for (ptrdiff_t i = 0; i < head.qLen; i++) delta[i] = dot(g.dout + i * outStep, g.out + i * outStep, s.V);
  for (ptrdiff_t key = 0; key < head.kLen; key += kKeys) {
    const int keys = (int)(head.kLen - key < kKeys ? head.kLen - key : kKeys);
    joinKeys(joined, s, head, key, keys);
    packPanels<mode>(kPanels, rowsOf(joined, width), keys, width);
    packPanels<mode>(vPanels, rowsOf(head.v + key * head.kvStep, head.kvStep), keys, s.V);
    packPanels<mode>(kColumns, columnsOf(joined, width), width, keys);
    if (head.qLen == 0) clearBytes(keySums, kKeysPadded * keyColumns * 4);
    int before = 0;
    // The first query that sees any key of this tile.
    ptrdiff_t first = key - (head.kLen - head.qLen);
    if (first < 0) first = 0;
    for (ptrdiff_t query = first / kQueries * kQueries; query < head.qLen; query += kQueries) {
      const int rows = (int)(head.qLen - query < kQueries ? head.qLen - query : kQueries);
      const float *q = head.q + query * head.qStep, *dout = g.dout + query * outStep;
      const CausalMask mask{keysSeen(head, query, 0) - key, rows, keys};
      const int seen = mask.of(rows - 1);
      packRows<mode>(qRows, rowsOf(q, head.qStep), 0, rows, 0, width);
      multiplySeen<mode>(p, mask, qRows, kPanels, units);
      packRows<mode>(dRows, rowsOf(dout, outStep), 0, rows, 0, s.V);
      multiplySeen<mode>(d, mask, dRows, vPanels, vUnits);
      for (int r = 0; r < rows; r++) {
        float *pr = p + (ptrdiff_t)r * kKeys, *dr = d + (ptrdiff_t)r * kKeys;
        const int visible = mask.of(r);
        const Vf lse = splat(g.lse[(query + r) * s.H]), del = splat(delta[query + r]), scale = splat(s.scale);
        for (int j = 0; j < visible; j += kLanes) {
          const Vf x = exp(load(pr + j) * scale - lse);
          store(pr + j, x);
          store(dr + j, x * (load(dr + j) - del) * scale);
        }
        hideRest(pr, visible, seen);
        hideRest(dr, visible, seen);
      }
      // dq += dScore · k
      packRows<mode>(dRows, rowsOf(d, kKeys), 0, rows, 0, seen);
      sumSeen<mode>({querySums, kQueries, width, columns}, mask, dRows, kColumns, unitsFor(mode, keys), false);
      addBlock({g.dq + query * head.qStep, rows, width, head.qStep}, querySums, columns, g.fresh && key == 0);
      // dk += dScoreᵀ · q, with dRope beside it, and dv += pᵀ · dout
      packPanels<mode>(qColumns, columnsOf(q, head.qStep), width, rows);
      packPanels<mode>(doutColumns, columnsOf(dout, outStep), s.V, rows);
      sumOverQueries<mode>({keySums, kKeysPadded, width, keyColumns}, mask, before, d, qColumns);
      sumOverQueries<mode>({keySums + columns, kKeysPadded, s.V, keyColumns}, mask, before, p, doutColumns);
      before = seen;
    }
    addBlock({g.dk + key * head.kvStep, keys, s.N, head.kvStep}, keySums, keyColumns, g.fresh);
    addBlock({g.dv + key * head.kvStep, keys, s.V, head.kvStep}, keySums + columns, keyColumns, g.fresh);
    for (int j = 0; j < keys; j++) copyRow(g.dRope + (key + j) * s.P, keySums + (ptrdiff_t)j * keyColumns + s.N, s.P);
  }
}

template <class Call>
Shape shapeOf(const Call& p) {
  return {p.segments, p.S, (int)p.H, (int)p.N, (int)p.P, (int)p.V, p.ldk, (float)p.scale};
}

}  // namespace

void attention(const call::Attention& p) {
  const Shape s = shapeOf(p);
  const bool bf16 = p.precision == p.kBf16;
  const ptrdiff_t outStep = (ptrdiff_t)s.H * s.V;
  parallelFor(s.S * s.H, [&](ptrdiff_t task) {
    const int32_t* segment = s.segments + task / s.H * 4;
    const int h = (int)(task % s.H);
    const Head head = headOf(s, segment, h, p.q, p.kv, p.kRope);
    float *out = p.out + segment[0] * outStep + (ptrdiff_t)h * s.V, *lse = p.lse + (ptrdiff_t)segment[0] * s.H + h;
    if (bf16) {
      productsBegin<kBf16Mode>();
#if defined(SHOAL_TILES)
      forwardTransposed(s, head, out, outStep, lse);
#else
      forwardHead<kBf16Mode>(s, head, out, outStep, lse);
#endif
      productsEnd<kBf16Mode>();
    } else {
      forwardHead<Mode::kF32>(s, head, out, outStep, lse);
    }
  });
}

void attentionBackward(const call::AttentionBackward& p) {
  const Shape s = shapeOf(p);
  const bool bf16 = p.precision == p.kBf16;
  const ptrdiff_t outStep = (ptrdiff_t)s.H * s.V;
  // Every head adds to the shared rotated key's gradient: each into a part of its own, summed in the order of heads.
  Scratch shared(Arena::kShared);
  ptrdiff_t* starts = shared.take<ptrdiff_t>(s.S + 1);
  starts[0] = 0;
  for (ptrdiff_t i = 0; i < s.S; i++) starts[i + 1] = starts[i] + s.segments[i * 4 + 3];
  float* parts = shared.take<float>(starts[s.S] * s.H * s.P);
  parallelFor(s.S * s.H, [&](ptrdiff_t task) {
    const ptrdiff_t i = task / s.H;
    const int32_t* segment = s.segments + i * 4;
    const int h = (int)(task % s.H);
    const Head head = headOf(s, segment, h, p.q, p.kv, p.kRope);
    Gradients g;
    g.dq = p.dq + segment[0] * head.qStep + (ptrdiff_t)h * (s.N + s.P);
    g.dk = p.dkv + segment[2] * head.kvStep + (ptrdiff_t)h * (s.N + s.V);
    g.dv = g.dk + s.N;
    g.dRope = parts + (starts[i] * s.H + h * head.kLen) * s.P;
    g.dout = p.dout + segment[0] * outStep + (ptrdiff_t)h * s.V;
    g.out = p.out + segment[0] * outStep + (ptrdiff_t)h * s.V;
    g.lse = p.lse + (ptrdiff_t)segment[0] * s.H + h;
    g.fresh = p.fresh;
    if (bf16) {
      productsBegin<kBf16Mode>();
#if defined(SHOAL_TILES)
      backwardTransposed(s, head, g, outStep);
#else
      backwardHead<kBf16Mode>(s, head, g, outStep);
#endif
      productsEnd<kBf16Mode>();
    } else {
      backwardHead<Mode::kF32>(s, head, g, outStep);
    }
  });
  parallelFor(s.S, [&](ptrdiff_t i) {
    const int32_t* segment = s.segments + i * 4;
    for (ptrdiff_t j = 0; j < segment[3]; j++)
      for (int h = 0; h < s.H; h++)
        for (int c = 0; c < s.P; c++) p.dkRope[(segment[2] + j) * p.lddk + c] += parts[((starts[i] * s.H + h * segment[3]) + j) * s.P + c];
  });
}

}  // namespace SHOAL_ISA
