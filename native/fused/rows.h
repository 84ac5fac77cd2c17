// Products of a few rows of activations with a matrix as it is held: f32, bf16, or in 8 or 4 bits. What the steps of decoding are made of:
// a task forms 32 numbers of a few rows at a time and goes on with them while they are in a register or the nearest cache.
#pragma once
#include "addon/buffer.h"
#include "simd/dots.h"
#include "norm/norm.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/bytes.h"
#include "runtime/pool.h"
#include "quant/quantised.h"

namespace SHOAL_ISA {

enum Format { kFormatF32, kFormatBf16, kFormatInt8, kFormatInt4, kFormats };

/** A matrix [N,K] whose rows meet rows of activations. */
struct Matrix {
  Format format;
  const void* data;
  const uint16_t* scales;
  ptrdiff_t K;

  /** The matrix that begins `rows` rows further on: a multiple of 16 where it is quantised. */
  Matrix from(ptrdiff_t rows) const {
    Matrix m = *this;
    const ptrdiff_t numbers = rows * K;
    m.data = (const uint8_t*)data + (format == kFormatF32 ? numbers * 4 : format == kFormatBf16 ? numbers * 2 : format == kFormatInt8 ? numbers : numbers / 2);
    if (format >= kFormatInt8) m.scales = scales + numbers / kBlock;
    return m;
  }
  /** Bytes of a row. */
  ptrdiff_t rowBytes() const { return format == kFormatF32 ? K * 4 : format == kFormatBf16 ? K * 2 : format == kFormatInt8 ? K : K / 2; }
};

static inline Matrix matrixOf(const HeldMatrix& m, ptrdiff_t K) {
  return {m.bits == 8 ? kFormatInt8 : m.bits == 4 ? kFormatInt4 : m.numbers.isBf16() ? kFormatBf16 : kFormatF32, m.numbers.data, m.scales, K};
}

/** Rows of activations, each in the forms that the matrices it meets ask for. */
struct Rows {
  ptrdiff_t K = 0;
  bool wanted[kFormats] = {};
  float* values = nullptr;   // kFormatF32: as they are
  float* rounded = nullptr;  // kFormatBf16 without instructions for it: rounded to bf16
  uint16_t* halves = nullptr;
  int8_t* codes = nullptr;
  float* scales = nullptr;
  int32_t* starts8 = nullptr;  // what sums over a block begin with
  int32_t* starts4 = nullptr;

  void want(const Matrix& m) { wanted[m.format] = true, K = m.K; }
  /** Room for `rows` rows. */
  void takeFrom(Scratch& memory, ptrdiff_t rows) {
    const ptrdiff_t n = rows * K, blocks = rows * ((K + kBlock - 1) / kBlock);
    if (wanted[kFormatF32]) values = memory.take<float>(n);
    if (wanted[kFormatBf16]) {
#if defined(SHOAL_BF16_DOT)
      halves = memory.take<uint16_t>(n);
#else
      rounded = memory.take<float>(n);
#endif
    }
    if (!wanted[kFormatInt8] && !wanted[kFormatInt4]) return;
    codes = memory.take<int8_t>(n);
    scales = memory.take<float>(blocks);
    if (wanted[kFormatInt8]) starts8 = memory.take<int32_t>(blocks);
    if (wanted[kFormatInt4]) starts4 = memory.take<int32_t>(blocks);
  }
  /** Numbers k … k+n−1 of a row. Where the row meets quantised matrices, k is a multiple of 32 and so is n. */
  void set(ptrdiff_t row, ptrdiff_t k, const float* x, ptrdiff_t n) {
    const ptrdiff_t at = row * K + k;
    SHOAL_ASSERT(k >= 0 && k + n <= K);
    SHOAL_ASSERT((!wanted[kFormatInt8] && !wanted[kFormatInt4]) || (k % kBlock == 0 && n % kBlock == 0));
    if (wanted[kFormatF32]) copyBytes(values + at, x, n * 4);
    if (wanted[kFormatBf16]) {
#if defined(SHOAL_BF16_DOT)
      copyRow(halves + at, x, n);
#else
      for (ptrdiff_t i = 0; i < n; i++) rounded[at + i] = roundToBf16(x[i]);
#endif
    }
    if (!wanted[kFormatInt8] && !wanted[kFormatInt4]) return;
    for (ptrdiff_t i = 0; i < n; i += kBlock) {
      const ptrdiff_t block = (at + i) / kBlock;
      const int32_t total = roundBlock(x + i, codes + at + i, scales + block);
      if (wanted[kFormatInt8]) starts8[block] = -kOffset<8> * total;
      if (wanted[kFormatInt4]) starts4[block] = -kOffset<4> * total;
    }
  }
};

template <int M>
void gemvRows(const Matrix& w, ptrdiff_t first, const Rows& a, const ptrdiff_t* rows, const Mat& out) {
  const Matrix part = w.from(first);
  if (w.format == kFormatF32) return dots<M, WideDot<float>>(a.values, a.K, rows, (const float*)part.data, a.K, out);
#if defined(SHOAL_BF16_DOT)
  if (w.format == kFormatBf16) return dots<M, HalvesDot>(a.halves, a.K, rows, (const uint16_t*)part.data, a.K, out);
#else
  if (w.format == kFormatBf16) return dots<M, WideDot<uint16_t>>(a.rounded, a.K, rows, (const uint16_t*)part.data, a.K, out);
#endif
  const uint8_t* codes = (const uint8_t*)part.data;
  if (w.format == kFormatInt8) panelsRows<8, M>(codes, part.scales, out.cols / kPanel, {a.codes, a.scales, a.starts8}, rows, a.K, out.data, out.stride);
  else panelsRows<4, M>(codes, part.scales, out.cols / kPanel, {a.codes, a.scales, a.starts4}, rows, a.K, out.data, out.stride);
}

constexpr int kRowsAtOnce = kMaxRows;  // rows of activations of one call below

/** out[m][c] = rows[m] · row first + c of the matrix; out has 1 … kRowsAtOnce rows. Where the matrix is quantised, `first` and out's columns are multiples of 16. */
static inline void multiply(const Matrix& w, ptrdiff_t first, const Rows& a, const ptrdiff_t* rows, const Mat& out) {
  SHOAL_ASSERT(out.rows >= 1 && out.rows <= kRowsAtOnce);
  SHOAL_ASSERT(w.format < kFormatInt8 || (first % kPanel == 0 && out.cols % kPanel == 0));
  if (out.rows == 1) gemvRows<1>(w, first, a, rows, out);
  else if (out.rows == 2) gemvRows<2>(w, first, a, rows, out);
  else if (out.rows == 3) gemvRows<3>(w, first, a, rows, out);
  else gemvRows<4>(w, first, a, rows, out);
}

/** Columns of the output that one unit of work forms. */
constexpr int kUnitColumns = 32;
static inline ptrdiff_t unitsOf(ptrdiff_t N) { return (N + kUnitColumns - 1) / kUnitColumns; }
static inline int columnsOfUnit(ptrdiff_t N, ptrdiff_t unit) { return (int)(N - unit * kUnitColumns < kUnitColumns ? N - unit * kUnitColumns : kUnitColumns); }

/** A matrix that meets all T rows, of several that are worked on side by side: unit by unit, `use(t, n, columns, numbers)` takes what was formed. */
struct Projection {
  const Matrix* w;
  const Rows* a;
  ptrdiff_t N;
};

template <class Use>
void runProjections(const Projection* projections, int count, ptrdiff_t T, const Use& use) {
  ptrdiff_t units = 0, bytes = 1;
  for (int j = 0; j < count; j++) {
    units += unitsOf(projections[j].N);
    const ptrdiff_t own = projections[j].w->rowBytes() * kUnitColumns;
    bytes = own > bytes ? own : bytes;
  }
  parallelRange(units, grainOf(units, bytes), [&](ptrdiff_t from, ptrdiff_t to) {
    alignas(64) float tile[kRowsAtOnce * kUnitColumns];
    for (ptrdiff_t unit = from; unit < to; unit++) {
      ptrdiff_t local = unit;
      int j = 0;
      while (local >= unitsOf(projections[j].N)) local -= unitsOf(projections[j++].N);
      const int columns = columnsOfUnit(projections[j].N, local);
      for (ptrdiff_t t = 0; t < T; t += kRowsAtOnce) {
        const int M = (int)(T - t < kRowsAtOnce ? T - t : kRowsAtOnce);
        const ptrdiff_t rows[kRowsAtOnce] = {t, t + 1, t + 2, t + 3};
        multiply(*projections[j].w, local * kUnitColumns, *projections[j].a, rows, {tile, M, columns, kUnitColumns});
        for (int m = 0; m < M; m++) use(j, t + m, local * kUnitColumns, columns, tile + m * kUnitColumns);
      }
    }
  });
}

/** So few rows every thread of a team works on for itself, in memory of its own, rather than fetch what another has made of them. */
static inline bool isFew(ptrdiff_t rows) { return rows < 4; }

/** Rows that are cheap to work on one by one. */
template <class Body>
void forRows(ptrdiff_t T, const Body& body) {
  if (isFew(T)) for (ptrdiff_t t = 0; t < T; t++) body(t);
  else parallelFor(T, body);
}

}  // namespace SHOAL_ISA
