// Latent attention with transposed scores, for the tile unit: they are tiles of [32 keys][32 queries]. What belongs to a query is then a lane, so that maxima
// and sums need no shuffles, and the next products take probabilities as they are.
#pragma once
#include "attention/attention.h"
#include "gemm/transposed.h"
#include "runtime/bytes.h"
#if defined(SHOAL_TILES)
#include <math.h>

namespace SHOAL_ISA {

constexpr int kChunk = 128;  // keys that are taken together; in the gradient, queries as well

/** Rows of numbers in two parts, N and P wide, to be filled up with zeros to `width`, a multiple of 32. */
struct Parts {
  const float* first;
  ptrdiff_t firstStep;
  const float* second;
  ptrdiff_t secondStep, count;
  int N, P, width;
};

/** 32 rows from `row` on, zeros beyond the last, put together in `memory` [32][width]. */
static TokenRows<float> joinParts(const Parts& x, ptrdiff_t row, float* memory) {
  TokenRows<float> rows;
  for (int i = 0; i < kTokens; i++) {
    float* to = memory + i * x.width;
    rows.at[i] = row + i < x.count ? to : nullptr;
    int filled = 0;
    if (rows.at[i]) {
      const float *first = x.first + (row + i) * x.firstStep, *second = x.second + (row + i) * x.secondStep;
      if (row + kTokens + i < x.count) {
        prefetchRow(first + kTokens * x.firstStep, x.N);
        prefetchRow(second + kTokens * x.secondStep, x.P);
      }
      copyRow(to, first, x.N);
      copyRow(to + x.N, second, x.P);
      filled = x.N + x.P;
    }
    if (filled < x.width) clearBytes(to + filled, (x.width - filled) * 4);
  }
  return rows;
}

SHOAL_INLINE Vf lanesFrom(int first) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; i++) lanes[i] = (float)(first + i);
  return load(lanes);
}

// ---- forward ----

/** What is known of 32 queries so far; peaks are of scores times log2 e, exp2Column of 2 being the quicker ones. */
struct Softmax {
  alignas(64) float peak[kTokens], total[kTokens];
};

/**
 * Scores [keys][32 queries] become 2^(scale · score − peak), 0 where query q does not see key r (r > offset + q). `sums` [columns][32 queries] are
 * brought to the new peak.
 */
static void softmaxTiles(float* scores, int keys, ptrdiff_t offset, float scale, Softmax& softmax, float* sums, int columns) {
  const int whole = (int)(offset < 0 ? 0 : offset + 1 < keys ? offset + 1 : keys);  // keys that all of them see
  const Vf nothing = splat(-INFINITY);
  for (int q = 0; q < kTokens; q += kLanes) {
    const Vf lanes = lanesFrom(q);
    Vf top = nothing;
    for (int r = 0; r < whole; r++) top = max(load(scores + r * kTokens + q), top);
    for (int r = whole; r < keys; r++) {
      float* score = scores + r * kTokens + q;
      const Vf x = lanes >= splat((float)(r - offset)) ? load(score) : nothing;
      store(score, x);
      top = max(x, top);
    }
    const Vf old = load(softmax.peak + q), peak = max(top * scale, old);
    const Vf correction = correctionOf(old, peak);
    Vf sum = exp2Column(scores + q, whole, scale, peak);
    for (int r = whole; r < keys; r++) {
      float* score = scores + r * kTokens + q;
      const Vf x = load(score), p = x > nothing ? exp2(x * scale - peak) : Vf{};
      store(score, p);
      sum += p;
    }
    store(softmax.peak + q, peak);
    store(softmax.total + q, load(softmax.total + q) * correction + sum);
    for (int c = 0; c < columns; c++) store(sums + c * kTokens + q, load(sums + c * kTokens + q) * correction);
  }
}

static void forwardTransposed(const Shape& s, const Head& head, float* out, ptrdiff_t outStep, float* lse) {
  const int width = roundUp(s.N + s.P, 32), vWidth = roundUp(s.V, 32);
  const bool nonTemporal = isNonTemporal(head.qLen * outStep * s.S);
  const ptrdiff_t keys = (head.kLen + 31) / 32 * 32, vStep = keys + 32;
  Scratch own;
  uint16_t* k = own.take<uint16_t>(keys * width + vWidth * vStep);  // [keys][width]
  uint16_t* v = k + keys * width;                                   // [vWidth][keys]
  float* memory = own.take<float>(kTokens * (width + 3 * vWidth + kChunk));
  float *sums = memory + kTokens * (width + vWidth), *scores = sums + kTokens * vWidth;
  uint32_t* panel = own.take<uint32_t>(kTokens * (width + kChunk) / 2);
  uint32_t* probabilities = panel + kTokens * width / 2;
  const Parts kRows{head.k, head.kvStep, head.rope, head.ropeStep, head.kLen, s.N, s.P, width};
  const Parts vRows{head.v, head.kvStep, nullptr, 0, head.kLen, s.V, 0, vWidth};
  for (ptrdiff_t key = 0; key < keys; key += 32) {
    joinParts(kRows, key, memory);
    roundRow(k + key * width, memory, 32 * width);
    joinParts(vRows, key, memory);
    transposeRows(v + key, vStep, {memory, false, vWidth, 1}, vWidth);
  }
  const Parts qRows{head.q, head.qStep, head.q + s.N, head.qStep, head.qLen, s.N, s.P, width};
  for (ptrdiff_t query = 0; query < head.qLen; query += kTokens) {
    packTokens(panel, joinParts(qRows, query, memory), width);
    Softmax softmax;
    for (int q = 0; q < kTokens; q++) softmax.peak[q] = -INFINITY, softmax.total[q] = 0;
    clearBytes(sums, kTokens * vWidth * 4);
    const int count = (int)(head.qLen - query < kTokens ? head.qLen - query : kTokens);
    const ptrdiff_t seen = keysSeen(head, query, count);
    for (ptrdiff_t key = 0; key < seen; key += kChunk) {
      const int n = (int)(seen - key < kChunk ? (seen - key + 31) / 32 * 32 : kChunk);
      for (int r = 0; r < n; r += 32) tileProduct32(scores + r * kTokens, kTokens, (const uint8_t*)(k + (key + r) * width), width * 2, (const uint8_t*)panel, width / 32, false);
      softmaxTiles(scores, n, head.kLen - head.qLen + query - key, s.scale * kLog2E, softmax, sums, vWidth);
      packInterleaved<Mode::kPair>(probabilities, kTokens, scores, kTokens, kTokens, n);
      for (int c = 0; c < vWidth; c += 32)
        tileProduct32(sums + c * kTokens, kTokens, (const uint8_t*)(v + c * vStep + key), vStep * 2, (const uint8_t*)probabilities, n / 32, true);
    }
    for (int q = 0; q < kTokens; q += kLanes) {
      const Vf inverse = 1.0f / load(softmax.total + q);
      for (int c = 0; c < vWidth; c++) store(sums + c * kTokens + q, load(sums + c * kTokens + q) * inverse);
    }
    for (int c = 0; c < s.V; c += 32) storeTransposedPart(rowsFrom(out + query * outStep + c, outStep, count), sums + c * kTokens, s.V - c < 32 ? s.V - c : 32, false, nonTemporal);
    for (int t = 0; t < count; t++) lse[(query + t) * s.H] = softmax.peak[t] / kLog2E + logf(softmax.total[t]);
  }
  nonTemporalFence();
}

// ---- backward ----

/** Where a tile's numbers go: lines of probabilities and of the scores' gradients, and units of a panel of the latter. */
struct ScoreOut {
  uint16_t *p, *d;
  ptrdiff_t step;
  uint32_t* units;
};

/**
 * From tiles of scores and of d loss / d probability: probabilities, 0 where query q does not see key r (r > offset + q), and d loss / d score before
 * its scale.
 */
static void gradientTile(const float* scores, const float* gradients, ptrdiff_t offset, float scale, const float* lse, const float* delta, const ScoreOut& out) {
  const bool partly = offset < 32;
  Vf logSum[kRowVectors], mean[kRowVectors], lanes[kRowVectors];
  for (int i = 0; i < kRowVectors; i++) {
    logSum[i] = load(lse + i * kLanes) * kLog2E;
    mean[i] = load(delta + i * kLanes);
    lanes[i] = lanesFrom(i * kLanes);
  }
  for (int r = 0; r < 32; r += 2) {
    Vf p[2][kRowVectors], d[2][kRowVectors];
    for (int j = 0; j < 2; j++) {
      for (int i = 0; i < kRowVectors; i++) {
        const int at = (r + j) * kTokens + i * kLanes;
        p[j][i] = exp2(load(scores + at) * (scale * kLog2E) - logSum[i]);
        if (partly) p[j][i] = lanes[i] >= splat((float)(r + j - offset)) ? p[j][i] : Vf{};
        d[j][i] = p[j][i] * (load(gradients + at) - mean[i]) * scale;
      }
      keepRow(out.p + (r + j) * out.step, p[j]);
      keepRow(out.d + (r + j) * out.step, d[j]);
    }
    packPair(out.units + r / 2 * kTokens, d[0], d[1]);
  }
}

/** What gradientTile would write for keys that none of the queries sees. */
static void unseenTile(const ScoreOut& out) {
  for (int r = 0; r < 32; r++) memset(out.p + r * out.step, 0, kTokens * 2), memset(out.d + r * out.step, 0, kTokens * 2);
  memset(out.units, 0, 16 * kTokens * 4);
}

static void backwardTransposed(const Shape& s, const Head& head, const Gradients& g, ptrdiff_t outStep) {
  const int width = roundUp(s.N + s.P, 32), vWidth = roundUp(s.V, 32), widest = width > vWidth ? width : vWidth;
  const ptrdiff_t keys = (head.kLen + 31) / 32 * 32, queries = (head.qLen + 31) / 32 * 32, kStep = keys + 32, across = queries / 2 * 32;
  Scratch own;
  uint16_t* k = own.take<uint16_t>(keys * (width + vWidth) + width * kStep);  // [keys][width]
  uint16_t *v = k + keys * width, *kTransposed = v + keys * vWidth;               // [keys][vWidth], [width][keys]
  float* memory = own.take<float>(kTokens * widest + queries * (width + 2) + kChunk * (width + vWidth) + 2 * kTile);
  float *dq = memory + kTokens * widest, *lse = dq + queries * width, *delta = lse + queries;  // dq: [panels][width][32]
  float *keySums = delta + queries, *valueSums = keySums + kChunk * width, *scores = valueSums + kChunk * vWidth, *gradients = scores + kTile;
  // Queries and dout are each packed twice: in panels of 32 tokens, and in panels of 32 numbers for sums over tokens.
  uint32_t* q = own.take<uint32_t>(queries * (width + vWidth));
  uint32_t *qAcross = q + queries * width / 2, *dout = qAcross + queries * width / 2, *doutAcross = dout + queries * vWidth / 2;
  constexpr int step = kChunk + 32;
  uint16_t* p = own.take<uint16_t>(2 * kChunk * step + kChunk * kChunk);  // [keys][queries], and the scores' gradients likewise
  uint16_t* d = p + kChunk * step;
  uint32_t* units = (uint32_t*)(d + kChunk * step);  // [panels][keys / 2][32 queries]
  const Parts kRows{head.k, head.kvStep, head.rope, head.ropeStep, head.kLen, s.N, s.P, width};
  const Parts vRows{head.v, head.kvStep, nullptr, 0, head.kLen, s.V, 0, vWidth};
  for (ptrdiff_t key = 0; key < keys; key += 32) {
    joinParts(kRows, key, memory);
    roundRow(k + key * width, memory, 32 * width);
    transposeRows(kTransposed + key, kStep, {memory, false, width, 1}, width);
    joinParts(vRows, key, memory);
    roundRow(v + key * vWidth, memory, 32 * vWidth);
  }
  const Parts qRows{head.q, head.qStep, head.q + s.N, head.qStep, head.qLen, s.N, s.P, width};
  const Parts dRows{g.dout, outStep, nullptr, 0, head.qLen, s.V, 0, vWidth};
  for (ptrdiff_t query = 0; query < queries; query += kTokens) {
    const auto rows = joinParts(qRows, query, memory);
    packTokens(q + query * width / 2, rows, width);
    packAcrossTokens(qAcross + query / 2 * 32, across, rows, width);
    const auto gradientRows = joinParts(dRows, query, memory);
    packTokens(dout + query * vWidth / 2, gradientRows, vWidth);
    packAcrossTokens(doutAcross + query / 2 * 32, across, gradientRows, vWidth);
    for (int t = 0; t < kTokens; t++) {
      const bool there = query + t < head.qLen;
      float sum = 0;
      if (there) {
        const float* out = g.out + (query + t) * outStep;
        Vf lanes = {};
        int c = 0;
        for (; c + kLanes <= s.V; c += kLanes) lanes += load(gradientRows.at[t] + c) * load(out + c);
        for (sum = lanesSum(lanes); c < s.V; c++) sum += gradientRows.at[t][c] * out[c];
      }
      delta[query + t] = sum, lse[query + t] = there ? g.lse[(query + t) * s.H] : 0;
    }
  }
  clearBytes(dq, queries * width * 4);
  const ptrdiff_t cached = head.kLen - head.qLen;
  for (ptrdiff_t key = 0; key < keys; key += kChunk) {
    const int n = (int)(keys - key < kChunk ? keys - key : kChunk);
    clearBytes(keySums, kChunk * (width + vWidth) * 4);
    const ptrdiff_t first = key > cached ? (key - cached) / 32 * 32 : 0;  // the first queries that see any of these keys
    for (ptrdiff_t from = first; from < queries; from += kChunk) {
      const int m = (int)(queries - from < kChunk ? queries - from : kChunk);
      for (int t = 0; t < m; t += kTokens) {
        const ptrdiff_t query = from + t;
        for (int r = 0; r < n; r += 32) {
          const ptrdiff_t offset = cached + query - key - r;
          const ScoreOut out{p + r * step + t, d + r * step + t, step, units + t * kChunk / 2 + r / 2 * kTokens};
          if (offset + kTokens <= 0) {
            unseenTile(out);
            continue;
          }
          tileProduct32(scores, kTokens, (const uint8_t*)(k + (key + r) * width), width * 2, (const uint8_t*)(q + query * width / 2), width / 32, false);
          tileProduct32(gradients, kTokens, (const uint8_t*)(v + (key + r) * vWidth), vWidth * 2, (const uint8_t*)(dout + query * vWidth / 2), vWidth / 32, false);
          gradientTile(scores, gradients, offset, s.scale, lse + query, delta + query, out);
        }
      }
      for (int r = 0; r < n; r += 32) {
        for (int c = 0; c < vWidth; c += 32)
          tileProduct32(valueSums + r * vWidth + c, vWidth, (const uint8_t*)(p + r * step), step * 2, (const uint8_t*)(doutAcross + c / 32 * across + from / 2 * 32), m / 32, true);
        for (int c = 0; c < width; c += 32)
          tileProduct32(keySums + r * width + c, width, (const uint8_t*)(d + r * step), step * 2, (const uint8_t*)(qAcross + c / 32 * across + from / 2 * 32), m / 32, true);
      }
      for (int t = 0; t < m; t += kTokens)
        for (int c = 0; c < width; c += 32)
          tileProduct32(dq + (from + t) * width + c * kTokens, kTokens, (const uint8_t*)(kTransposed + c * kStep + key), kStep * 2, (const uint8_t*)(units + t * kChunk / 2), n / 32, true);
    }
    const int there = (int)(head.kLen - key < n ? head.kLen - key : n);
    addBlock({g.dk + key * head.kvStep, there, s.N, head.kvStep}, keySums, width, g.fresh);
    addBlock({g.dv + key * head.kvStep, there, s.V, head.kvStep}, valueSums, vWidth, g.fresh);
    for (int j = 0; j < there; j++) copyBytes(g.dRope + (key + j) * s.P, keySums + j * width + s.N, s.P * 4);
  }
  for (ptrdiff_t query = 0; query < head.qLen; query += kTokens) {
    for (int c = 0; c < s.N + s.P; c += 32) {
      storeTransposedPart(rowsFrom(g.dq + query * head.qStep + c, head.qStep, head.qLen - query), dq + query * width + c * kTokens, s.N + s.P - c < 32 ? s.N + s.P - c : 32, !g.fresh, false);
    }
  }
}

}  // namespace SHOAL_ISA
#endif
