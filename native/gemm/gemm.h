// The core of every matrix product: packing into units, and the microkernel over packed operands.
//
// A unit is 4 bytes: one f32, or (where the processor multiplies pairs) two consecutive k of bf16. With units, one layout and one packing
// routine serve f32, bf16 rounded to f32 (processors without bf16), vdpbf16ps and AMX tiles:
//   B panel: [units][kNR columns]       A rows: [rows][kRowStride units], or A panel: [units][kMR rows] where A comes transposed.
#pragma once
#include "gemm/pack256.h"
#include "gemm/pack512.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/bytes.h"
#include "runtime/pool.h"
#include "simd/mat.h"
#include "simd/tile.h"
#include "simd/vec.h"

namespace SHOAL_ISA {

enum class Mode {
  kF32,    // unit = one f32
  kRound,  // unit = one f32 rounded to bf16
  kPair,   // unit = two bf16
};

#if defined(SHOAL_TILES)
constexpr int kMR = 32, kNR = 32;  // 2 × 2 tiles; the f32 microkernel covers them in parts
#elif SHOAL_VECTOR_BYTES == 64
constexpr int kMR = 12, kNR = 32;
#elif SHOAL_VECTOR_BYTES == 32
constexpr int kMR = 6, kNR = 16;
#else
constexpr int kMR = 4, kNR = 8;
#endif
#if defined(SHOAL_TILES)
constexpr bool kTiles = true;
constexpr int kHeldRows = SHOAL_VECTOR_BYTES == 64 ? 8 : 2;  // rows of a tile whose sums registers hold
#else
constexpr bool kTiles = false;
constexpr int kHeldRows = kMR;
#endif
#if defined(SHOAL_BF16_DOT) || defined(SHOAL_TILES)
constexpr Mode kBf16Mode = Mode::kPair;
#else
constexpr Mode kBf16Mode = Mode::kRound;
#endif

constexpr int kUnits = 256;                // units of K in one block: a B panel of them stays in L1
constexpr int kRowStride = kUnits + 16;    // units between packed rows of A; not a power of two, which would collide in the cache

constexpr int kPerUnit(Mode mode) { return mode == Mode::kPair ? 2 : 1; }

/** A source matrix, f32 or bf16, and how to walk it: element (line, k) is at line·lineStep + k·kStep. */
struct Source {
  const void* data;
  bool bf16;
  ptrdiff_t lineStep, kStep;

  const void* at(ptrdiff_t line, ptrdiff_t k) const {
    const ptrdiff_t offset = line * lineStep + k * kStep;
    return bf16 ? (const void*)((const uint16_t*)data + offset) : (const void*)((const float*)data + offset);
  }
};

template <Mode mode>
SHOAL_INLINE uint32_t unitOf(float a, float b) {
  if (mode == Mode::kF32) return bitsOf(a);
  if (mode == Mode::kRound) return roundBits(bitsOf(a)) & 0xffff0000u;
  return (roundBits(bitsOf(a)) >> 16) | (roundBits(bitsOf(b)) & 0xffff0000u);
}
template <Mode mode>
SHOAL_INLINE uint32_t unitOf(uint16_t a, uint16_t b) {
  return mode == Mode::kPair ? (uint32_t)a | (uint32_t)b << 16 : (uint32_t)a << 16;
}

/** Lines whose k run contiguously: dst[line·lineStride + unit·unitStride], `K` numbers of k from each. */
template <Mode mode, class T>
static void packContiguous(uint32_t* dst, ptrdiff_t lineStride, ptrdiff_t unitStride, const T* src, ptrdiff_t lineStep, int lines, int K) {
  constexpr int per = kPerUnit(mode);
  const int whole = K / per;
  int done = 0, vectorLines = 0;  // units, and lines of which so many units are done
#if SHOAL_VECTOR_BYTES == 32
  for (; unitStride != 1 && vectorLines + 8 <= lines; vectorLines += 8)
    done = packColumns256<mode == Mode::kRound>(dst + vectorLines * lineStride, unitStride, src + vectorLines * lineStep, lineStep, whole);
#endif
#if defined(SHOAL_BF16_DOT)
  if (mode == Mode::kPair && unitStride != 1) {
    for (int line = 0; line < lines; line += 16)
      done = packColumns512(dst + line * lineStride, unitStride, src + line * lineStep, lineStep, lines - line, whole);
    vectorLines = lines;
  }
#endif
  for (int line = 0; line < lines; line++) {
    const T* from = src + line * lineStep;
    uint32_t* to = dst + line * lineStride;
    if (unitStride == 1) {
#if defined(SHOAL_BF16_DOT)
      if (mode == Mode::kPair) done = packLine512(to, from, whole);
#endif
      for (int u = done; u < whole; u++) to[u] = unitOf<mode>(from[u * per], from[u * per + per - 1]);
    } else {
      for (int u = line < vectorLines ? done : 0; u < whole; u++) to[u * unitStride] = unitOf<mode>(from[u * per], from[u * per + per - 1]);
    }
    if (per == 2 && K % 2) to[whole * unitStride] = unitOf<mode>(from[K - 1], T(0));
  }
}

/** Lines that run contiguously at each k: dst[unit·width + line]; lines … width−1 become 0. */
template <Mode mode, class T>
static void packInterleaved(uint32_t* dst, int width, const T* src, ptrdiff_t kStep, int lines, int K) {
  constexpr int per = kPerUnit(mode);
  for (int k = 0; k < K; k += per, dst += width) {
    const T* first = src + k * kStep;
    const T* second = k + per - 1 < K ? first + (per - 1) * kStep : nullptr;
#if defined(SHOAL_BF16_DOT)
    if (mode == Mode::kPair) {
      packAcross512(dst, width, first, second, lines);
      continue;
    }
#endif
    if (second) {
      for (int line = 0; line < lines; line++) dst[line] = unitOf<mode>(first[line], second[line]);
    } else {
      for (int line = 0; line < lines; line++) dst[line] = unitOf<mode>(first[line], T(0));
    }
    for (int line = lines; line < width; line++) dst[line] = 0;
  }
}

constexpr int unitsFor(Mode mode, int K) { return (K + kPerUnit(mode) - 1) / kPerUnit(mode); }

/** Tiles take 16 units at a time. */
SHOAL_INLINE int paddedUnits(Mode mode, int units) {
#if defined(SHOAL_TILES)
  return mode == Mode::kPair ? (units + 15) / 16 * 16 : units;
#else
  return units;
#endif
}

/** Packs `lines` ≤ kNR columns of B, K numbers deep, as one panel [units][kNR]. Returns the padded units. */
template <Mode mode>
static int packPanel(uint32_t* dst, const Source& source, ptrdiff_t line, int lines, ptrdiff_t k, int K) {
  const int units = unitsFor(mode, K), padded = paddedUnits(mode, units);
  SHOAL_ASSERT(lines >= 1 && lines <= kNR);
  if (source.kStep == 1) {
    if (lines < kNR) clearBytes(dst, units * kNR * 4);
    if (source.bf16) packContiguous<mode>(dst, 1, kNR, (const uint16_t*)source.at(line, k), source.lineStep, lines, K);
    else packContiguous<mode>(dst, 1, kNR, (const float*)source.at(line, k), source.lineStep, lines, K);
  } else {
    if (source.bf16) packInterleaved<mode>(dst, kNR, (const uint16_t*)source.at(line, k), source.kStep, lines, K);
    else packInterleaved<mode>(dst, kNR, (const float*)source.at(line, k), source.kStep, lines, K);
  }
  if (padded > units) clearBytes(dst + (size_t)units * kNR, (padded - units) * kNR * 4);
  return padded;
}

/** Packs `lines` rows of A into rows [kRowStride units each], rows up to a multiple of kMR becoming 0. For sources whose k run contiguously. */
template <Mode mode>
static void packRows(uint32_t* dst, const Source& source, ptrdiff_t line, int lines, ptrdiff_t k, int K) {
  const int units = unitsFor(mode, K), padded = paddedUnits(mode, units);
  if (source.bf16) packContiguous<mode>(dst, kRowStride, 1, (const uint16_t*)source.at(line, k), source.lineStep, lines, K);
  else packContiguous<mode>(dst, kRowStride, 1, (const float*)source.at(line, k), source.lineStep, lines, K);
  if (padded > units)
    for (int i = 0; i < lines; i++) clearBytes(dst + (ptrdiff_t)i * kRowStride + units, (padded - units) * 4);
  for (int i = lines; i % kMR; i++) clearBytes(dst + (ptrdiff_t)i * kRowStride, padded * 4);
}

/** Packs `lines` rows of A whose lines run contiguously (A transposed) as panels of kMR: [lines/kMR][kUnits][kMR]. */
template <Mode mode>
static void packTransposedPanels(uint32_t* dst, const Source& source, ptrdiff_t line, int lines, ptrdiff_t k, int K) {
#if defined(SHOAL_BF16_DOT)
  if (mode == Mode::kPair && kMR == kTransposedRows) {
    const ptrdiff_t step = source.kStep, stride = (ptrdiff_t)kUnits * kMR;
    for (int u = 0; 2 * u < K; u++, dst += kMR) {
      const ptrdiff_t ahead = k + 2 * u + 16 < k + K ? 16 * step : 0;
      const bool two = 2 * u + 1 < K;
      if (source.bf16) {
        const uint16_t* first = (const uint16_t*)source.at(line, k + 2 * u);
        packPanels512(dst, stride, first, two ? first + step : nullptr, ahead, lines);
      } else {
        const float* first = (const float*)source.at(line, k + 2 * u);
        packPanels512(dst, stride, first, two ? first + step : nullptr, ahead, lines);
      }
    }
    return;
  }
#endif
  int first = 0;
#if SHOAL_VECTOR_BYTES == 32
  static_assert(kMR == 6, "packed in sixes");
  // Whole rows, one k after the other: panel by panel, each row would be another page each time.
  for (int u = 0; u < K; u++) {
    const ptrdiff_t ahead = u + 16 < K ? 16 * source.kStep : 0;
    if (source.bf16) {
      const uint16_t* row = (const uint16_t*)source.at(line, k + u);
      for (int i = 0; i < lines; i += 32) __builtin_prefetch(row + ahead + i);
      first = packSixes256<mode == Mode::kRound>(dst + u * kMR, (ptrdiff_t)kUnits * kMR, row, lines);
    } else {
      const float* row = (const float*)source.at(line, k + u);
      for (int i = 0; i < lines; i += 16) __builtin_prefetch(row + ahead + i);
      first = packSixes256<mode == Mode::kRound>(dst + u * kMR, (ptrdiff_t)kUnits * kMR, row, lines);
    }
  }
  dst += (ptrdiff_t)(first / kMR) * kUnits * kMR;
#endif
  for (int i = first; i < lines; i += kMR, dst += kUnits * kMR) {
    const int width = lines - i < kMR ? lines - i : kMR;
    if (source.bf16) packInterleaved<mode>(dst, kMR, (const uint16_t*)source.at(line + i, k), source.kStep, width, K);
    else packInterleaved<mode>(dst, kMR, (const float*)source.at(line + i, k), source.kStep, width, K);
  }
}

/** Panels of lines that run contiguously, transposed into rows: for the tile unit, which reads A by rows only. */
template <Mode mode>
static void packTransposedRows(uint32_t* dst, const Source& source, ptrdiff_t line, int lines, ptrdiff_t k, int K) {
  const int units = unitsFor(mode, K), padded = paddedUnits(mode, units);
#if defined(SHOAL_BF16_DOT)
  if (source.bf16) transposeRows512(dst, kRowStride, (const uint16_t*)source.at(line, k), source.kStep, lines, K);
  else transposeRows512(dst, kRowStride, (const float*)source.at(line, k), source.kStep, lines, K);
#else
  Scratch own;
  uint32_t* panel = own.take<uint32_t>(kUnits * 16);
  for (int i = 0; i < lines; i += 16) {
    const int width = lines - i < 16 ? lines - i : 16;
    if (source.bf16) packInterleaved<mode>(panel, 16, (const uint16_t*)source.at(line + i, k), source.kStep, width, K);
    else packInterleaved<mode>(panel, 16, (const float*)source.at(line + i, k), source.kStep, width, K);
    for (int r = 0; r < 16; r++) {
      uint32_t* row = dst + (ptrdiff_t)(i + r) * kRowStride;
      for (int u = 0; u < units; u++) row[u] = panel[u * 16 + r];
      for (int u = units; u < padded; u++) row[u] = 0;
    }
  }
#endif
  for (int i = (lines + 15) / 16 * 16; i % kMR; i++) clearBytes(dst + (ptrdiff_t)i * kRowStride, padded * 4);
}

/** Whether A from this source is packed in rows (else in panels of kMR). */
template <Mode mode>
SHOAL_INLINE bool packsInRows(const Source& source) {
#if defined(SHOAL_TILES)
  return source.kStep == 1 || mode == Mode::kPair;
#else
  return source.kStep == 1;
#endif
}

constexpr ptrdiff_t packedAUnits(ptrdiff_t lines) { return (lines + kMR) * kRowStride; }

/** Packs `lines` rows of A, at most kUnits units deep, whichever way the source runs. */
template <Mode mode>
static void packA(uint32_t* dst, const Source& source, ptrdiff_t line, int lines, ptrdiff_t k, int K) {
  SHOAL_ASSERT(lines >= 1 && K >= 1 && unitsFor(mode, K) <= kUnits);
  if (source.kStep == 1) packRows<mode>(dst, source, line, lines, k, K);
  else if (packsInRows<mode>(source)) packTransposedRows<mode>(dst, source, line, lines, k, K);
  else packTransposedPanels<mode>(dst, source, line, lines, k, K);
}

/** Brackets for every task that multiplies: the tile unit is configured per thread. */
template <Mode mode>
SHOAL_INLINE void productsBegin() {
#if defined(SHOAL_TILES)
  if (mode == Mode::kPair) tilesBegin();
#endif
}
template <Mode mode>
SHOAL_INLINE void productsEnd() {
#if defined(SHOAL_TILES)
  if (mode == Mode::kPair) tilesEnd();
#endif
}

template <Mode mode>
SHOAL_INLINE Vf multiplyUnits(Vf sum, uint32_t a, const uint32_t* b) {
#if defined(SHOAL_BF16_DOT)
  if (mode == Mode::kPair) return (Vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)_mm512_loadu_si512(b));
#endif
  return sum + splat(fromBits(a)) * load((const float*)b);
}

/**
 * c[rows ≤ R][kNR] (row stride ldc) (+)= A · B over `units`, where A's unit (r, u) is at a[r·RS + u·US] and B is a panel.
 * The accumulators are R × NV registers: of a narrow panel only the first vector of columns.
 */
template <Mode mode, int R, int RS, int US, int NV = kNR / kLanes>
static inline void registerProduct(float* c, ptrdiff_t ldc, const uint32_t* a, const uint32_t* b, int units, bool accumulate) {
  Vf sum[R][NV];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int v = 0; v < NV; v++) sum[r][v] = accumulate ? load(c + r * ldc + v * kLanes) : Vf{};
  for (int u = 0; u < units; u++, a += US, b += kNR) {
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) sum[r][v] = multiplyUnits<mode>(sum[r][v], a[r * RS], b + v * kLanes);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int v = 0; v < NV; v++) store(c + r * ldc + v * kLanes, sum[r][v]);
}

/** registerProduct for kMR rows, by the tile unit where there is one. AMX takes A in rows only. `next`: where the next product adds its sums. */
template <Mode mode, int RS, int US>
static inline void microkernel(float* c, ptrdiff_t ldc, const uint32_t* a, const uint32_t* b, int units, bool accumulate, const float* next = nullptr) {
#if defined(SHOAL_TILES)
  if (mode == Mode::kPair) {
    SHOAL_ASSERT(units % 16 == 0);
    tileProduct32(c, ldc, (const uint8_t*)a, (ptrdiff_t)RS * 4, (const uint8_t*)b, units / 16, accumulate, {nullptr, 0, next});
    return;
  }
#endif
  for (int r = 0; r < kMR; r += kHeldRows) registerProduct<mode, kHeldRows, RS, US>(c + r * ldc, ldc, a + r * RS, b, units, accumulate);
}

/** The part of a tile at the border that c has, into c or added to it. */
static void placeTile(const Mat& c, const float* tile, bool accumulate) {
  for (ptrdiff_t r = 0; r < c.rows; r++) {
    float* to = c.row(r);
    const float* from = tile + r * kNR;
    ptrdiff_t n = 0;
    for (; n + kLanes <= c.cols; n += kLanes) store(to + n, accumulate ? load(to + n) + load(from + n) : load(from + n));
    for (; n < c.cols; n++) to[n] = accumulate ? to[n] + from[n] : from[n];
  }
}

/** registerProduct for `rows` ≤ kHeldRows that leaves out most rows beyond them: experts have a few dozen rows, and a last single one would cost as much as twelve. */
template <Mode mode, int RS, int US, int NV>
static inline void partialRegisterRows(float* c, ptrdiff_t ldc, const uint32_t* a, const uint32_t* b, int units, int rows) {
  constexpr int one = (kHeldRows + 2) / 3, two = (2 * kHeldRows + 2) / 3;  // thirds
  if (rows <= one) registerProduct<mode, one, RS, US, NV>(c, ldc, a, b, units, false);
  else if (rows <= two) registerProduct<mode, two, RS, US, NV>(c, ldc, a, b, units, false);
  else registerProduct<mode, kHeldRows, RS, US, NV>(c, ldc, a, b, units, false);
}

/** microkernel for a tile that may be at the border: c may have fewer than kMR rows and kNR columns. */
template <Mode mode, int RS, int US>
static inline void edgeMicrokernel(const Mat& c, const uint32_t* a, const uint32_t* b, int units, bool accumulate, const float* next = nullptr) {
  SHOAL_ASSERT(c.rows >= 1 && c.rows <= kMR && c.cols >= 1 && c.cols <= kNR);
  if (c.rows == kMR && c.cols == kNR) return microkernel<mode, RS, US>(c.data, c.stride, a, b, units, accumulate, next);
  const int rows = (int)c.rows, columns = (int)c.cols;
  alignas(64) float tile[kMR * kNR];
  if (kTiles && mode == Mode::kPair) {
    microkernel<mode, RS, US>(tile, kNR, a, b, units, false);
  } else {
    // A router's product is a fraction of a tile wide or high.
    for (int r = 0; r < rows; r += kHeldRows) {
      if (columns <= kLanes) partialRegisterRows<mode, RS, US, 1>(tile + r * kNR, kNR, a + r * RS, b, units, rows - r);
      else partialRegisterRows<mode, RS, US, kNR / kLanes>(tile + r * kNR, kNR, a + r * RS, b, units, rows - r);
    }
  }
  placeTile(c, tile, accumulate);
}

/** Units from … to−1 of a sum over k. */
struct Span {
  int from, to;
};

/**
 * c[kMR][cols up to whole vectors] (+)= the kMR lines of packed A that begin at `a` · panels of B, `bUnits` deep, over a span of their units: for small
 * products in local buffers that have room for whole tiles.
 */
template <Mode mode, int RS, int US>
static inline void multiplyLines(const Mat& c, const uint32_t* a, const uint32_t* b, int bUnits, Span span, bool accumulate) {
  const int units = span.to - span.from;
  a += (ptrdiff_t)span.from * US, b += (ptrdiff_t)span.from * kNR;
  for (ptrdiff_t n = 0; n < c.cols; n += kNR, b += (ptrdiff_t)bUnits * kNR) {
    if (c.cols - n > kLanes || (kTiles && mode == Mode::kPair)) microkernel<mode, RS, US>(c.data + n, c.stride, a, b, units, accumulate);
    else for (int r = 0; r < kMR; r += kHeldRows) registerProduct<mode, kHeldRows, RS, US, 1>(c.row(r) + n, c.stride, a + r * RS, b, units, accumulate);
  }
}

}  // namespace SHOAL_ISA
