// A matrix product, and the way of those of a few rows (decoding): B is streamed as stored, in its own order.
#pragma once
#include "simd/dots.h"
#include "gemm/gemm.h"
#include "runtime/pool.h"

namespace SHOAL_ISA {

/** out[M,N] (row stride ldo) (+)= A · B; A's lines are its rows, B's lines its columns. */
struct Product {
  float* out;
  Source a, b;
  ptrdiff_t M, N, K, ldo;
  bool accumulate;
  /** Whether products of a few rows are formed of numbers in bf16, two at a time. */
  bool inHalves(bool rounds) const {
#if defined(SHOAL_BF16_DOT)
    return rounds && b.bf16 && b.kStep == 1;
#else
    return false;
#endif
  }
  // Where its packed B begins, in units, and its first task.
  ptrdiff_t packed, firstTask, mBlocks, nBlocks, blockRows;
};

constexpr ptrdiff_t ceilDiv(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

constexpr ptrdiff_t kGemvRows = 8;

/** Rows of A, contiguous: as f32 (rounded to bf16 where asked), or in bf16. */
static void copyRows(const Product& p, bool round, float* rows) {
  const bool halves = p.inHalves(round);
  for (ptrdiff_t m = 0; m < p.M; m++) {
    for (ptrdiff_t k = 0; k < p.K; k++) {
      float x = p.a.bf16 ? loadBf16One((const uint16_t*)p.a.at(m, k)) : *(const float*)p.a.at(m, k);
      if (round && !p.a.bf16) x = roundToBf16(x);
      if (halves) ((uint16_t*)rows)[m * p.K + k] = (uint16_t)(bitsOf(x) >> 16);
      else rows[m * p.K + k] = x;
    }
  }
}

SHOAL_INLINE Vf loadB(const float* p, bool round) { return round ? roundToBf16(load(p)) : load(p); }
SHOAL_INLINE Vf loadB(const uint16_t* p, bool) { return loadBf16(p); }
SHOAL_INLINE float loadOne(const float* p, bool round) { return round ? roundToBf16(*p) : *p; }
SHOAL_INLINE float loadOne(const uint16_t* p, bool) { return loadBf16One(p); }

/** Columns from … to−1 of the product, where k runs contiguously in B. */
template <class Dot>
static void gemvContiguous(const Product& p, const typename Dot::Number* a, ptrdiff_t from, ptrdiff_t to) {
  constexpr int kColumns = 16;
  alignas(64) float tile[4 * kColumns];
  for (ptrdiff_t n = from; n < to; n += kColumns) {
    const int columns = (int)(to - n < kColumns ? to - n : kColumns);
    const typename Dot::Weight* b = (const typename Dot::Weight*)p.b.data + n * p.b.lineStep;
    for (ptrdiff_t m = 0; m < p.M; m += 4) {
      const int M = (int)(p.M - m < 4 ? p.M - m : 4);
      const ptrdiff_t rows[4] = {m, m + 1, m + 2, m + 3};
      const Mat sums{tile, M, columns, kColumns};
      if (M == 1) dots<1, Dot>(a, p.K, rows, b, p.b.lineStep, sums);
      else if (M == 2) dots<2, Dot>(a, p.K, rows, b, p.b.lineStep, sums);
      else if (M == 3) dots<3, Dot>(a, p.K, rows, b, p.b.lineStep, sums);
      else dots<4, Dot>(a, p.K, rows, b, p.b.lineStep, sums);
      for (int i = 0; i < M; i++) {
        float* out = p.out + (m + i) * p.ldo + n;
        for (int c = 0; c < columns; c++) out[c] = tile[i * kColumns + c] + (p.accumulate ? out[c] : 0);
      }
    }
  }
}

constexpr int kWide = kLanes == 16 ? 16 : 8;

/** `vectors` · kLanes columns of one row of the product, where B's columns run contiguously at each k. */
template <int vectors, class T>
SHOAL_INLINE void columnsOf(const Product& p, float* out, const float* a, const T* b, bool round) {
  Vf sum[vectors];
  for (int v = 0; v < vectors; v++) sum[v] = p.accumulate ? load(out + v * kLanes) : Vf{};
  for (ptrdiff_t k = 0; k < p.K; k++, b += p.b.kStep) {
    const Vf x = splat(a[k]);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) sum[v] = sum[v] + x * loadB(b + v * kLanes, round);
  }
  for (int v = 0; v < vectors; v++) store(out + v * kLanes, sum[v]);
}

/** Columns from … to−1 of the product, where B's columns run contiguously at each k. */
template <class T>
static void gemvInterleaved(const Product& p, const float* a, const T* b, bool round, ptrdiff_t from, ptrdiff_t to) {
  for (ptrdiff_t m = 0; m < p.M; m++) {
    float* out = p.out + m * p.ldo;
    ptrdiff_t n = from;
    // As many columns at once as there are registers: at each k, B is read in long runs.
    for (; n + kWide * kLanes <= to; n += kWide * kLanes) columnsOf<kWide>(p, out + n, a + m * p.K, b + n, round);
    for (; n + kLanes <= to; n += kLanes) columnsOf<1>(p, out + n, a + m * p.K, b + n, round);
    for (; n < to; n++) {
      float sum = p.accumulate ? out[n] : 0;
      for (ptrdiff_t k = 0; k < p.K; k++) sum += a[m * p.K + k] * loadOne(b + k * p.b.kStep + n, round);
      out[n] = sum;
    }
  }
}

/** Columns that a task takes: about 128 KB of B. */
static ptrdiff_t gemvGrain(const Product& p) {
  if (p.b.kStep == 1) return 1 + 65536 / (p.K + 1);
  constexpr ptrdiff_t width = kWide * kLanes;
  return width * (1 + 65536 / (width * (p.K + 1)));
}

/** Runs products of a few rows side by side, in one go of all threads. */
static void runGemv(Product* products, ptrdiff_t count, bool bf16) {
  ptrdiff_t numbers = 0, tasks = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    Product& p = products[i];
    p.packed = numbers;
    numbers += p.M * p.K + 16;
    p.firstTask = tasks;
    tasks += ceilDiv(p.N, gemvGrain(p));
  }
  Scratch shared(Arena::kShared);
  float* rows = shared.take<float>(numbers + 64);
  for (ptrdiff_t i = 0; i < count; i++) copyRows(products[i], bf16, rows + products[i].packed);
  parallelFor(tasks, [&](ptrdiff_t task) {
    // The last product whose first task is not after this one.
    ptrdiff_t low = 0, high = count - 1;
    while (low < high) {
      const ptrdiff_t middle = (low + high + 1) / 2;
      if (products[middle].firstTask <= task) low = middle;
      else high = middle - 1;
    }
    const Product& p = products[low];
    const float* a = rows + p.packed;
    const ptrdiff_t grain = gemvGrain(p), from = (task - p.firstTask) * grain, to = from + grain < p.N ? from + grain : p.N;
    if (p.b.kStep == 1) {
#if defined(SHOAL_BF16_DOT)
      if (p.inHalves(bf16)) return gemvContiguous<HalvesDot>(p, (const uint16_t*)a, from, to);
#endif
      if (p.b.bf16) gemvContiguous<WideDot<uint16_t>>(p, a, from, to);
      else if (bf16) gemvContiguous<RoundedDot>(p, a, from, to);
      else gemvContiguous<WideDot<float>>(p, a, from, to);
    } else {
      if (p.b.bf16) gemvInterleaved(p, a, (const uint16_t*)p.b.data, bf16, from, to);
      else gemvInterleaved(p, a, (const float*)p.b.data, bf16, from, to);
    }
  });
}

}  // namespace SHOAL_ISA
