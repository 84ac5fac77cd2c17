// Products of a few rows of activations with a matrix as it is held: f32, bf16, or in 8 or 4 bits. What the steps of decoding are made of:
// a task forms 32 numbers of a few rows at a time and goes on with them while they are in a register or the nearest cache.
#pragma once
#include "addon/buffer.h"
#include "simd/dots.h"
#include "norm/norm.h"
#include "runtime/pool.h"
#include "quant/quantised.h"

namespace SHOAL_ISA {

enum Held { kHeldF32, kHeldBf16, kHeld8, kHeld4, kHeldKinds };

/** A matrix [N,K] whose rows meet rows of activations. */
struct Matrix {
  Held held;
  const void* data;
  const uint16_t* scales;
  ptrdiff_t K;

  /** The matrix that begins `rows` rows further on: a multiple of 16 where it is quantised. */
  Matrix from(ptrdiff_t rows) const {
    Matrix m = *this;
    const ptrdiff_t numbers = rows * K;
    m.data = (const uint8_t*)data + (held == kHeldF32 ? numbers * 4 : held == kHeldBf16 ? numbers * 2 : held == kHeld8 ? numbers : numbers / 2);
    if (held >= kHeld8) m.scales = scales + numbers / kBlock;
    return m;
  }
  /** Bytes of a row. */
  ptrdiff_t rowBytes() const { return held == kHeldF32 ? K * 4 : held == kHeldBf16 ? K * 2 : held == kHeld8 ? K : K / 2; }
};

static inline Matrix matrixOf(const HeldMatrix& m, ptrdiff_t K) {
  return {m.bits == 8 ? kHeld8 : m.bits == 4 ? kHeld4 : m.numbers.isBf16() ? kHeldBf16 : kHeldF32, m.numbers.data, m.scales, K};
}

/** Cuts buffers from one piece of memory: the first walk, from null, counts. */
struct Cutter {
  char* at = nullptr;
  template <class T>
  void cut(T*& buffer, ptrdiff_t count) {
    buffer = (T*)at;
    at += ((size_t)count * sizeof(T) + 127) / 64 * 64;
  }
};

/** Memory that a team shares, and memory of each of its threads. cut(shared, own) is called twice, first to count. */
template <class Cut>
void cutMemory(const Cut& cut) {
  Cutter shared, own;
  cut(shared, own);
  shared.at = (char*)sharedScratch(0, (size_t)(shared.at - (char*)nullptr));
  own.at = (char*)scratch(1, (size_t)(own.at - (char*)nullptr));
  cut(shared, own);
}

/** Rows of activations, each in the forms that the matrices it meets ask for. */
struct Rows {
  ptrdiff_t K = 0;
  bool wanted[kHeldKinds] = {};
  float* values = nullptr;   // kHeldF32: as they are
  float* rounded = nullptr;  // kHeldBf16 without instructions for it: rounded to bf16
  uint16_t* halves = nullptr;
  int8_t* codes = nullptr;
  float* scales = nullptr;
  int32_t* starts8 = nullptr;  // what sums over a block begin with
  int32_t* starts4 = nullptr;

  void want(const Matrix& m) { wanted[m.held] = true, K = m.K; }
  void cut(Cutter& cutter, ptrdiff_t rows) {
    const ptrdiff_t n = rows * K, blocks = rows * ((K + kBlock - 1) / kBlock);
    if (wanted[kHeldF32]) cutter.cut(values, n);
    if (wanted[kHeldBf16]) {
#if defined(SHOAL_BF16_DOT)
      cutter.cut(halves, n);
#else
      cutter.cut(rounded, n);
#endif
    }
    if (!wanted[kHeld8] && !wanted[kHeld4]) return;
    cutter.cut(codes, n);
    cutter.cut(scales, blocks);
    if (wanted[kHeld8]) cutter.cut(starts8, blocks);
    if (wanted[kHeld4]) cutter.cut(starts4, blocks);
  }
  /** Numbers k … k+n−1 of a row. Where the row meets quantised matrices, k is a multiple of 32 and so is n. */
  void set(ptrdiff_t row, ptrdiff_t k, const float* x, ptrdiff_t n) {
    const ptrdiff_t at = row * K + k;
    if (wanted[kHeldF32]) memcpy(values + at, x, (size_t)n * 4);
    if (wanted[kHeldBf16]) {
#if defined(SHOAL_BF16_DOT)
      copyRow(halves + at, x, n);
#else
      for (ptrdiff_t i = 0; i < n; i++) rounded[at + i] = roundToBf16(x[i]);
#endif
    }
    if (!wanted[kHeld8] && !wanted[kHeld4]) return;
    for (ptrdiff_t i = 0; i < n; i += kBlock) {
      const ptrdiff_t block = (at + i) / kBlock;
      const int32_t total = roundBlock(x + i, codes + at + i, scales + block);
      if (wanted[kHeld8]) starts8[block] = -kOffset<8> * total;
      if (wanted[kHeld4]) starts4[block] = -kOffset<4> * total;
    }
  }
};

template <int M>
void multiplyRows(const Matrix& w, ptrdiff_t first, int columns, const Rows& a, const ptrdiff_t* rows, float* out, ptrdiff_t ldo) {
  const Matrix part = w.from(first);
  if (w.held == kHeldF32) return dots<M, WideDot<float>>(a.values, a.K, rows, (const float*)part.data, a.K, columns, out, ldo);
#if defined(SHOAL_BF16_DOT)
  if (w.held == kHeldBf16) return dots<M, HalvesDot>(a.halves, a.K, rows, (const uint16_t*)part.data, a.K, columns, out, ldo);
#else
  if (w.held == kHeldBf16) return dots<M, WideDot<uint16_t>>(a.rounded, a.K, rows, (const uint16_t*)part.data, a.K, columns, out, ldo);
#endif
  const uint8_t* codes = (const uint8_t*)part.data;
  if (w.held == kHeld8) panelsRows<8, M>(codes, part.scales, columns / kPanel, {a.codes, a.scales, a.starts8}, rows, a.K, out, ldo);
  else panelsRows<4, M>(codes, part.scales, columns / kPanel, {a.codes, a.scales, a.starts4}, rows, a.K, out, ldo);
}

constexpr int kRowsAtOnce = kMostRows;  // rows of activations of one call below

/** out[m][c] = rows[m] · row first + c of the matrix, of M ≤ kRowsAtOnce rows. Where the matrix is quantised, `first` and `columns` are multiples of 16. */
static inline void multiply(const Matrix& w, ptrdiff_t first, int columns, const Rows& a, const ptrdiff_t* rows, int M, float* out, ptrdiff_t ldo) {
  if (M == 1) multiplyRows<1>(w, first, columns, a, rows, out, ldo);
  else if (M == 2) multiplyRows<2>(w, first, columns, a, rows, out, ldo);
  else if (M == 3) multiplyRows<3>(w, first, columns, a, rows, out, ldo);
  else multiplyRows<4>(w, first, columns, a, rows, out, ldo);
}

/** Columns of the output that one unit of work forms. */
constexpr int kUnitColumns = 32;
static inline ptrdiff_t unitsOf(ptrdiff_t N) { return (N + kUnitColumns - 1) / kUnitColumns; }
static inline int columnsOfUnit(ptrdiff_t N, ptrdiff_t unit) { return (int)(N - unit * kUnitColumns < kUnitColumns ? N - unit * kUnitColumns : kUnitColumns); }

/** A matrix that meets all T rows, of several that are worked on side by side: unit by unit, `use(t, n, columns, numbers)` takes what was formed. */
struct Job {
  const Matrix* w;
  const Rows* a;
  ptrdiff_t N;
};

template <class Use>
void runJobs(const Job* jobs, int count, ptrdiff_t T, const Use& use) {
  ptrdiff_t units = 0, bytes = 1;
  for (int j = 0; j < count; j++) {
    units += unitsOf(jobs[j].N);
    const ptrdiff_t own = jobs[j].w->rowBytes() * kUnitColumns;
    bytes = own > bytes ? own : bytes;
  }
  parallelRange(units, grainOf(units, bytes), [&](ptrdiff_t from, ptrdiff_t to) {
    alignas(64) float tile[kRowsAtOnce * kUnitColumns];
    for (ptrdiff_t unit = from; unit < to; unit++) {
      ptrdiff_t local = unit;
      int j = 0;
      while (local >= unitsOf(jobs[j].N)) local -= unitsOf(jobs[j++].N);
      const int columns = columnsOfUnit(jobs[j].N, local);
      for (ptrdiff_t t = 0; t < T; t += kRowsAtOnce) {
        const int M = (int)(T - t < kRowsAtOnce ? T - t : kRowsAtOnce);
        const ptrdiff_t rows[kRowsAtOnce] = {t, t + 1, t + 2, t + 3};
        multiply(*jobs[j].w, local * kUnitColumns, columns, *jobs[j].a, rows, M, tile, kUnitColumns);
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

/** Memory for numbers of one row, of the thread that asks. */
static inline float* rowOfOwn(ptrdiff_t numbers) { return (float*)scratch(2, (size_t)numbers * 4); }

}  // namespace SHOAL_ISA
