// Matrix products: one driver for plain and grouped ones. Wide products pack B once, then tasks over blocks of C pack their rows of A and
// run the microkernel; products of a few rows (decoding) stream B as it is stored.
#include "args.h"
#include "gemm.h"
#include "pool.h"

namespace SHOAL_ISA {
namespace {

/** out[M,N] (row stride ldo) (+)= A · B; A's lines are its rows, B's lines its columns. */
struct Product {
  float* out;
  Source a, b;
  ptrdiff_t M, N, K, ldo;
  bool accumulate;
  // Where its packed B begins, in units, and its first task.
  ptrdiff_t packed, firstTask, mBlocks, nBlocks;
};

constexpr ptrdiff_t ceilDiv(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

constexpr ptrdiff_t kBlockRows = kMR * (96 / kMR);  // rows of A that a task packs at a time: 96 × 1 KB stay in L2

template <Mode mode>
constexpr int kBlockK = kUnits * kPerUnit(mode);

void zeroRows(const Product& p) {
  for (ptrdiff_t m = 0; m < p.M; m++) memset(p.out + m * p.ldo, 0, (size_t)p.N * 4);
}

/** Packs panel `panel` of B for all of K: K-block after K-block, [padded units][kNR] each. */
template <Mode mode>
void packB(const Product& p, ptrdiff_t panel, uint32_t* base) {
  const ptrdiff_t panels = ceilDiv(p.N, kNR);
  const ptrdiff_t line = panel * kNR;
  const int lines = (int)(p.N - line < kNR ? p.N - line : kNR);
  uint32_t* block = base + p.packed;
  for (ptrdiff_t k = 0; k < p.K; k += kBlockK<mode>) {
    const int depth = (int)(p.K - k < kBlockK<mode> ? p.K - k : kBlockK<mode>);
    const int units = paddedUnits(mode, unitsFor(mode, depth));
    packPanel<mode>(block + panel * units * kNR, p.b, line, lines, k, depth);
    block += panels * units * kNR;
  }
}

template <Mode mode>
ptrdiff_t packedUnits(const Product& p) {
  ptrdiff_t units = 0;
  for (ptrdiff_t k = 0; k < p.K; k += kBlockK<mode>) {
    const ptrdiff_t depth = p.K - k < kBlockK<mode> ? p.K - k : kBlockK<mode>;
    units += paddedUnits(mode, unitsFor(mode, (int)depth));
  }
  return units * ceilDiv(p.N, kNR) * kNR;
}

/** One block of C: rows of M-block mb, panels of N-block nb. */
template <Mode mode>
void multiplyBlock(const Product& p, const uint32_t* base, ptrdiff_t mb, ptrdiff_t nb) {
  const ptrdiff_t m0 = mb * kBlockRows;
  const int rows = (int)(p.M - m0 < kBlockRows ? p.M - m0 : kBlockRows);
  const ptrdiff_t panels = ceilDiv(p.N, kNR);
  const ptrdiff_t panelFrom = panels * nb / p.nBlocks, panelTo = panels * (nb + 1) / p.nBlocks;
  const bool inRows = packsInRows<mode>(p.a);
  uint32_t* a = (uint32_t*)scratch(0, packedABytes(kBlockRows));
  productsBegin<mode>();
  const uint32_t* block = base + p.packed;
  for (ptrdiff_t k = 0; k < p.K; k += kBlockK<mode>) {
    const int depth = (int)(p.K - k < kBlockK<mode> ? p.K - k : kBlockK<mode>);
    const int units = paddedUnits(mode, unitsFor(mode, depth));
    const bool accumulate = p.accumulate || k > 0;
    packA<mode>(a, p.a, m0, rows, k, depth);
    for (ptrdiff_t panel = panelFrom; panel < panelTo; panel++) {
      const uint32_t* b = block + panel * units * kNR;
      const int columns = (int)(p.N - panel * kNR < kNR ? p.N - panel * kNR : kNR);
      float* c = p.out + m0 * p.ldo + panel * kNR;
      for (int r = 0; r < rows; r += kMR) {
        const int height = rows - r < kMR ? rows - r : kMR;
        if (inRows) edgeMicrokernel<mode, kRowStride, 1>(c + r * p.ldo, p.ldo, a + (ptrdiff_t)r * kRowStride, b, units, accumulate, height, columns);
        else edgeMicrokernel<mode, 1, kMR>(c + r * p.ldo, p.ldo, a + (ptrdiff_t)(r / kMR) * kUnits * kMR, b, units, accumulate, height, columns);
      }
    }
    block += panels * units * kNR;
  }
  productsEnd<mode>();
}

/** Runs products side by side. Tasks are ordered by product, so that threads share a product's packed B while it is in the cache. */
template <Mode mode>
void runPacked(Product* products, ptrdiff_t count) {
  ptrdiff_t packed = 0, panelTotal = 0, tasks = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    products[i].packed = packed;
    packed += packedUnits<mode>(products[i]);
    panelTotal += ceilDiv(products[i].N, kNR);
  }
  uint32_t* base = (uint32_t*)sharedScratch(0, (size_t)packed * 4);
  const int workers = threads();
  for (ptrdiff_t i = 0; i < count; i++) {
    Product& p = products[i];
    p.mBlocks = ceilDiv(p.M, kBlockRows);
    // Split N only as far as it takes to give every thread a few tasks: each split packs the rows of A again.
    const ptrdiff_t wanted = ceilDiv((ptrdiff_t)workers * 3, p.mBlocks * count);
    const ptrdiff_t panels = ceilDiv(p.N, kNR);
    p.nBlocks = workers == 1 ? 1 : wanted < 1 ? 1 : wanted > panels ? panels : wanted;
    p.firstTask = tasks;
    tasks += p.mBlocks * p.nBlocks;
  }
  // Panels of all products, a few at a time.
  parallelRange(panelTotal, 4, [&](ptrdiff_t from, ptrdiff_t to) {
    ptrdiff_t i = 0, first = 0;
    for (ptrdiff_t panel = from; panel < to; panel++) {
      while (panel - first >= ceilDiv(products[i].N, kNR)) first += ceilDiv(products[i++].N, kNR);
      packB<mode>(products[i], panel - first, base);
    }
  });
  parallelFor(tasks, [&](ptrdiff_t task) {
    ptrdiff_t i = count - 1;
    while (products[i].firstTask > task) i--;
    const Product& p = products[i];
    const ptrdiff_t local = task - p.firstTask;
    multiplyBlock<mode>(p, base, local / p.nBlocks, local % p.nBlocks);
  });
}

// ---- a few rows: B is streamed as stored, in its own order ----

constexpr ptrdiff_t kFewRows = 8;

/** Rows of A as f32 (rounded to bf16 where asked), contiguous. */
void copyRows(const Product& p, bool round, float* rows) {
  for (ptrdiff_t m = 0; m < p.M; m++) {
    for (ptrdiff_t k = 0; k < p.K; k++) {
      float x = p.a.bf16 ? loadBf16One((const uint16_t*)p.a.at(m, k)) : *(const float*)p.a.at(m, k);
      rows[m * p.K + k] = round && !p.a.bf16 ? roundToBf16(x) : x;
    }
  }
}

SHOAL_INLINE Vf loadB(const float* p, bool round) { return round ? roundToBf16(load(p)) : load(p); }
SHOAL_INLINE Vf loadB(const uint16_t* p, bool) { return loadBf16(p); }
SHOAL_INLINE float loadOne(const float* p, bool round) { return round ? roundToBf16(*p) : *p; }
SHOAL_INLINE float loadOne(const uint16_t* p, bool) { return loadBf16One(p); }

/** M ≤ 4 dot products of rows of A with one contiguous column of B. */
template <int M, class T>
SHOAL_INLINE void dots(const float* a, ptrdiff_t K, const T* b, bool round, float* results) {
  Vf sum[M][2] = {};
  ptrdiff_t k = 0;
  for (; k + 2 * kLanes <= K; k += 2 * kLanes) {
    __builtin_prefetch((const char*)(b + k) + 4096);
    const Vf b0 = loadB(b + k, round), b1 = loadB(b + k + kLanes, round);
    for (int m = 0; m < M; m++) {
      sum[m][0] = sum[m][0] + load(a + m * K + k) * b0;
      sum[m][1] = sum[m][1] + load(a + m * K + k + kLanes) * b1;
    }
  }
  for (int m = 0; m < M; m++) results[m] = lanesSum(sum[m][0] + sum[m][1]);
  for (; k < K; k++) {
    const float x = loadOne(b + k, round);
    for (int m = 0; m < M; m++) results[m] += a[m * K + k] * x;
  }
}

/** Columns from … to−1 of the product, where k runs contiguously in B. */
template <class T>
void fewRowsContiguous(const Product& p, const float* a, const T* b, bool round, ptrdiff_t from, ptrdiff_t to) {
  for (ptrdiff_t n = from; n < to; n++) {
    const T* column = b + n * p.b.lineStep;
    float results[kFewRows];
    ptrdiff_t m = 0;
    for (; m + 4 <= p.M; m += 4) dots<4>(a + m * p.K, p.K, column, round, results + m);
    if (p.M - m == 3) dots<3>(a + m * p.K, p.K, column, round, results + m);
    if (p.M - m == 2) dots<2>(a + m * p.K, p.K, column, round, results + m);
    if (p.M - m == 1) dots<1>(a + m * p.K, p.K, column, round, results + m);
    for (m = 0; m < p.M; m++) p.out[m * p.ldo + n] = results[m] + (p.accumulate ? p.out[m * p.ldo + n] : 0);
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
void fewRowsInterleaved(const Product& p, const float* a, const T* b, bool round, ptrdiff_t from, ptrdiff_t to) {
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
ptrdiff_t fewRowsGrain(const Product& p) {
  if (p.b.kStep == 1) return 1 + 65536 / (p.K + 1);
  constexpr ptrdiff_t width = kWide * kLanes;
  return width * (1 + 65536 / (width * (p.K + 1)));
}

/** Runs products of a few rows side by side, in one go of all threads. */
void runFewRows(Product* products, ptrdiff_t count, bool bf16) {
  ptrdiff_t numbers = 0, tasks = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    Product& p = products[i];
    p.packed = numbers;
    numbers += p.M * p.K + 16;
    p.firstTask = tasks;
    tasks += ceilDiv(p.N, fewRowsGrain(p));
  }
  float* rows = (float*)sharedScratch(1, (size_t)(numbers + 64) * 4);
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
    const ptrdiff_t grain = fewRowsGrain(p), from = (task - p.firstTask) * grain, to = from + grain < p.N ? from + grain : p.N;
    if (p.b.kStep == 1) {
      if (p.b.bf16) fewRowsContiguous(p, a, (const uint16_t*)p.b.data, bf16, from, to);
      else fewRowsContiguous(p, a, (const float*)p.b.data, bf16, from, to);
    } else {
      if (p.b.bf16) fewRowsInterleaved(p, a, (const uint16_t*)p.b.data, bf16, from, to);
      else fewRowsInterleaved(p, a, (const float*)p.b.data, bf16, from, to);
    }
  });
}

/** Runs `count` products that are not to be split by hand; those without work are dropped. */
void run(Product* products, ptrdiff_t count, bool bf16) {
  // Products of a few rows are put aside; the others stay in their order.
  ptrdiff_t kept = 0, few = 0;
  Product* aside = (Product*)sharedScratch(7, (size_t)(count + 1) * sizeof(Product));
  for (ptrdiff_t i = 0; i < count; i++) {
    const Product& p = products[i];
    if (p.M == 0 || p.N == 0) continue;
    if (p.K == 0) {
      if (!p.accumulate) zeroRows(p);
    } else if (p.M <= kFewRows && p.a.kStep == 1) {
      aside[few++] = p;
    } else {
      products[kept++] = p;
    }
  }
  if (few > 0) runFewRows(aside, few, bf16);
  if (kept == 0) return;
  if (bf16) runPacked<kBf16Mode>(products, kept);
  else runPacked<Mode::kF32>(products, kept);
}

Source rowsOf(const Arg& x, bool transposed, ptrdiff_t ld) {
  return {x.data, x.isBf16(), transposed ? 1 : ld, transposed ? ld : 1};
}

Source offset(Source s, ptrdiff_t elements) {
  s.data = s.bf16 ? (const void*)((const uint16_t*)s.data + elements) : (const void*)((const float*)s.data + elements);
  return s;
}

/** out, a, b, M, N, K, aT, bT, lda, ldb, ldo, accumulate, bf16, and of a batch: count, steps of a, b, out */
double matmul(const Arg* x) {
  Product p{};
  p.out = x[0].f32();
  p.M = x[3].size(), p.N = x[4].size(), p.K = x[5].size(), p.ldo = x[10].size();
  p.a = rowsOf(x[1], x[6].flag(), x[8].size());
  p.b = rowsOf(x[2], !x[7].flag(), x[9].size());
  p.accumulate = x[11].flag();
  const ptrdiff_t count = x[13].size();
  Product* products = (Product*)sharedScratch(2, (size_t)(count + 1) * sizeof(Product));
  for (ptrdiff_t i = 0; i < count; i++) {
    products[i] = p;
    products[i].a = offset(p.a, i * x[14].size());
    products[i].b = offset(p.b, i * x[15].size());
    products[i].out = p.out + i * x[16].size();
  }
  run(products, count, x[12].flag());
  return 0;
}

/** kind (0 forward, 1 input, 2 weight), out, a, b, offsets, E, N, K, accumulate, bf16 */
double groupedMatmul(const Arg* x) {
  const int kind = x[0].count();
  float* out = x[1].f32();
  const int32_t* offsets = x[4].i32();
  const ptrdiff_t E = x[5].size(), N = x[6].size(), K = x[7].size();
  Product* products = (Product*)sharedScratch(2, (size_t)(E + 1) * sizeof(Product));
  for (ptrdiff_t e = 0; e < E; e++) {
    const ptrdiff_t from = offsets[e], rows = offsets[e + 1] - from;
    Product& p = products[e];
    p = Product{};
    p.accumulate = x[8].flag();
    if (kind == 0) {
      p.out = out + from * N, p.M = rows, p.N = N, p.K = K, p.ldo = N;
      p.a = offset(rowsOf(x[2], false, K), from * K);
      p.b = offset(rowsOf(x[3], false, K), e * N * K);
    } else if (kind == 1) {
      p.out = out + from * K, p.M = rows, p.N = K, p.K = N, p.ldo = K;
      p.a = offset(rowsOf(x[2], false, N), from * N);
      p.b = offset(rowsOf(x[3], true, K), e * N * K);
    } else {
      p.out = out + e * N * K, p.M = N, p.N = K, p.K = rows, p.ldo = K;
      p.a = offset(rowsOf(x[2], true, N), from * N);
      p.b = offset(rowsOf(x[3], true, K), from * K);
    }
  }
  run(products, E, x[9].flag());
  return 0;
}

}  // namespace

extern const Entry matmulFamily[] = {{"matmul", matmul}, {"groupedMatmul", groupedMatmul}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
