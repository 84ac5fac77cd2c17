// Matrix products: one driver for plain and grouped ones. Wide products pack B once, then tasks over blocks of C pack their rows of A and
// run the microkernel; products of a few rows (decoding) stream B as it is stored.
#include "gemm/contract.h"
#include "gemm/gemv.h"
#include "gemm/matmul-transposed.h"

namespace SHOAL_ISA {
namespace {

constexpr ptrdiff_t kBlockRows = kMR * (96 / kMR);  // rows of A that a task packs at a time: 96 × 1 KB stay in L2

template <Mode mode>
constexpr int kBlockK = kUnits * kPerUnit(mode);

void zeroRows(const Product& p) {
  for (ptrdiff_t m = 0; m < p.M; m++) clearBytes(p.out + m * p.ldo, p.N * 4);
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
  const ptrdiff_t m0 = mb * p.blockRows;
  const int rows = (int)(p.M - m0 < p.blockRows ? p.M - m0 : p.blockRows);
  const ptrdiff_t panels = ceilDiv(p.N, kNR);
  const ptrdiff_t panelFrom = panels * nb / p.nBlocks, panelTo = panels * (nb + 1) / p.nBlocks;
  const bool inRows = packsInRows<mode>(p.a);
  Scratch own;
  uint32_t* a = own.take<uint32_t>(packedAUnits(kBlockRows));
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
        const float* next = !accumulate ? nullptr : r + 2 * kMR <= rows ? c + (r + kMR) * p.ldo : panel + 1 < panelTo && rows >= kMR && (panel + 2) * kNR <= p.N ? c + kNR : c;
        const Mat tile{c + r * p.ldo, height, columns, p.ldo};
        if (inRows) edgeMicrokernel<mode, kRowStride, 1>(tile, a + (ptrdiff_t)r * kRowStride, b, units, accumulate, next);
        else edgeMicrokernel<mode, 1, kMR>(tile, a + (ptrdiff_t)(r / kMR) * kUnits * kMR, b, units, accumulate, next);
      }
    }
    block += panels * units * kNR;
  }
  productsEnd<mode>();
}

/** Runs products side by side. Tasks are ordered by product, so that threads share a product's packed B while it is in the cache. */
template <Mode mode>
void runPiece(Product* products, ptrdiff_t count) {
  ptrdiff_t packed = 0, panelTotal = 0, tasks = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    products[i].packed = packed;
    packed += packedUnits<mode>(products[i]);
    panelTotal += ceilDiv(products[i].N, kNR);
  }
  Scratch shared(Arena::kShared);
  uint32_t* base = shared.take<uint32_t>(packed);
  const int workers = threads();
  for (ptrdiff_t i = 0; i < count; i++) {
    Product& p = products[i];
    // Blocks of one size: a small last one would leave threads waiting.
    p.blockRows = ceilDiv(ceilDiv(p.M, ceilDiv(p.M, kBlockRows)), kMR) * kMR;
    p.mBlocks = ceilDiv(p.M, p.blockRows);
    // Split N only as far as it takes to give every thread a few tasks: each split packs the rows of A again.
    const ptrdiff_t wanted = ceilDiv((ptrdiff_t)workers * 2, p.mBlocks * count);
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

/**
 * The same for any depth: a long sum over k (a gradient's, over all tokens) is taken in pieces whose packed B stays in the shared cache. Blocks of k are
 * added in the same order either way.
 */
template <Mode mode>
void runPacked(Product* products, ptrdiff_t count) {
  constexpr ptrdiff_t depth = 4 * kBlockK<mode>;
  ptrdiff_t longest = 0;
  for (ptrdiff_t i = 0; i < count; i++) longest = products[i].K > longest ? products[i].K : longest;
  Scratch shared(Arena::kShared);
  Product* pieces = shared.take<Product>(count);
  for (ptrdiff_t k = 0; k < longest; k += depth) {
    ptrdiff_t left = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
      const Product& p = products[i];
      if (p.K <= k) continue;
      Product& piece = pieces[left++] = p;
      piece.K = p.K - k < depth ? p.K - k : depth;
      piece.a.data = p.a.at(0, k), piece.b.data = p.b.at(0, k);
      piece.accumulate = p.accumulate || k > 0;
    }
    runPiece<mode>(pieces, left);
  }
}

// ---- rows that fit the cache: A is packed once for all, and each panel of B by the task that multiplies with it ----

constexpr size_t kCachedBytes = (size_t)768 << 10;  // packed rows of A that stay in a core's own cache

template <Mode mode>
constexpr ptrdiff_t blocksOfK(ptrdiff_t K) { return ceilDiv(K, kBlockK<mode>); }

/** Where block `block` of k of a product's packed rows begins. */
template <Mode mode>
uint32_t* packedRows(const Product& p, uint32_t* base, ptrdiff_t block) {
  return base + p.packed + block * packedAUnits(p.M);
}

template <Mode mode>
bool fitsCache(const Product& p) { return (size_t)(packedAUnits(p.M) * blocksOfK<mode>(p.K)) * 4 <= kCachedBytes; }

/** One panel of C's columns. Between its tiles, what the next panel will be packed from is asked for. */
template <Mode mode>
void multiplyPanel(const Product& p, uint32_t* base, ptrdiff_t panel) {
  const int columns = (int)(p.N - panel * kNR < kNR ? p.N - panel * kNR : kNR);
  const bool inRows = packsInRows<mode>(p.a);
  Scratch own;
  uint32_t* b = own.take<uint32_t>(kUnits * kNR);
  productsBegin<mode>();
  for (ptrdiff_t block = 0; block < blocksOfK<mode>(p.K); block++) {
    const ptrdiff_t k = block * kBlockK<mode>;
    const int depth = (int)(p.K - k < kBlockK<mode> ? p.K - k : kBlockK<mode>);
    const int units = packPanel<mode>(b, p.b, panel * kNR, columns, k, depth);
    const uint32_t* a = packedRows<mode>(p, base, block);
    const bool ahead = p.b.kStep == 1 && (panel + 2) * kNR <= p.N;
    const ptrdiff_t bytes = depth * (p.b.bf16 ? 2 : 4), each = ceilDiv(kNR * kMR, p.M);
    for (ptrdiff_t r = 0; r < p.M; r += kMR) {
      if (ahead) {
        const ptrdiff_t line = r / kMR * each;
        for (ptrdiff_t i = line; i < line + each && i < kNR; i++)
          for (ptrdiff_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch((const char*)p.b.at((panel + 1) * kNR + i, k) + byte, 0, 2);
      }
      const int height = (int)(p.M - r < kMR ? p.M - r : kMR);
      const Mat c{p.out + r * p.ldo + panel * kNR, height, columns, p.ldo};
      if (inRows) edgeMicrokernel<mode, kRowStride, 1>(c, a + r * kRowStride, b, units, p.accumulate || k > 0);
      else edgeMicrokernel<mode, 1, kMR>(c, a + r / kMR * kUnits * kMR, b, units, p.accumulate || k > 0);
    }
  }
  productsEnd<mode>();
}

template <Mode mode>
void runCached(Product* products, ptrdiff_t count) {
  ptrdiff_t packed = 0, tasks = 0, pieces = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    Product& p = products[i];
    p.packed = packed, p.firstTask = tasks, p.mBlocks = pieces;
    packed += packedAUnits(p.M) * blocksOfK<mode>(p.K);
    tasks += ceilDiv(p.N, kNR);
    pieces += ceilDiv(p.M, kBlockRows) * blocksOfK<mode>(p.K);
  }
  Scratch shared(Arena::kShared);
  uint32_t* base = shared.take<uint32_t>(packed);
  parallelFor(pieces, [&](ptrdiff_t piece) {
    ptrdiff_t i = count - 1;
    while (products[i].mBlocks > piece) i--;
    const Product& p = products[i];
    const ptrdiff_t local = piece - p.mBlocks, block = local % blocksOfK<mode>(p.K), line = local / blocksOfK<mode>(p.K) * kBlockRows, k = block * kBlockK<mode>;
    const int lines = (int)(p.M - line < kBlockRows ? p.M - line : kBlockRows), depth = (int)(p.K - k < kBlockK<mode> ? p.K - k : kBlockK<mode>);
    packA<mode>(packedRows<mode>(p, base, block) + (packsInRows<mode>(p.a) ? line * kRowStride : line * kUnits), p.a, line, lines, k, depth);
  });
  parallelFor(tasks, [&](ptrdiff_t task) {
    ptrdiff_t i = count - 1;
    while (products[i].firstTask > task) i--;
    multiplyPanel<mode>(products[i], base, task - products[i].firstTask);
  });
}

template <Mode mode>
void runWide(Product* products, ptrdiff_t count) {
  // Those whose rows fit the cache come first; both kinds stay in their order.
  Scratch shared(Arena::kShared);
  Product* large = shared.take<Product>(count);
  ptrdiff_t cached = 0, others = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    if (fitsCache<mode>(products[i])) products[cached++] = products[i];
    else large[others++] = products[i];
  }
  if (cached > 0) runCached<mode>(products, cached);
  if (others > 0) runPacked<mode>(large, others);
}

/** Runs `count` products that are not to be split by hand; those without work are dropped. */
void run(Product* products, ptrdiff_t count, bool bf16) {
  // Products of a few rows are put aside; the others stay in their order.
  ptrdiff_t kept = 0, few = 0;
  Scratch shared(Arena::kShared);
  Product* aside = shared.take<Product>(count);
  for (ptrdiff_t i = 0; i < count; i++) {
    const Product& p = products[i];
    if (p.M == 0 || p.N == 0) continue;
    if (p.K == 0) {
      if (!p.accumulate) zeroRows(p);
    } else if (p.M <= kGemvRows && p.a.kStep == 1) {
      aside[few++] = p;
    } else {
      products[kept++] = p;
    }
  }
  if (few > 0) runGemv(aside, few, bf16);
#if defined(SHOAL_TILES)
  if (bf16) kept = runSums(products, kept);
#endif
  if (kept == 0) return;
  if (bf16) runWide<kBf16Mode>(products, kept);
  else runWide<Mode::kF32>(products, kept);
}

Source rowsOf(const ConstBuffer& x, bool transposed, ptrdiff_t ld) {
  return {x.data, x.isBf16(), transposed ? 1 : ld, transposed ? ld : 1};
}

Source offset(Source s, ptrdiff_t elements) {
  s.data = s.bf16 ? (const void*)((const uint16_t*)s.data + elements) : (const void*)((const float*)s.data + elements);
  return s;
}

}  // namespace

void matmul(const call::Matmul& p) {
  Product first{};
  first.out = p.out;
  first.M = p.M, first.N = p.N, first.K = p.K, first.ldo = p.ldo;
  first.a = rowsOf(p.a, p.aT, p.lda);
  first.b = rowsOf(p.b, !p.bT, p.ldb);
  first.accumulate = p.accumulate;
  Scratch shared(Arena::kShared);
  Product* products = shared.take<Product>(p.batch.count);
  for (ptrdiff_t i = 0; i < p.batch.count; i++) {
    products[i] = first;
    products[i].a = offset(first.a, i * p.batch.a);
    products[i].b = offset(first.b, i * p.batch.b);
    products[i].out = first.out + i * p.batch.out;
  }
  run(products, p.batch.count, p.precision == p.kBf16);
}

void groupedMatmul(const call::GroupedMatmul& call) {
  float* out = call.out;
  const ptrdiff_t E = call.E, N = call.N, K = call.K;
  Scratch shared(Arena::kShared);
  Product* products = shared.take<Product>(E);
  for (ptrdiff_t e = 0; e < E; e++) {
    const ptrdiff_t from = call.offsets[e], rows = call.offsets[e + 1] - from;
    Product& p = products[e];
    p = Product{};
    p.accumulate = call.accumulate;
    if (call.kind == call.kForward) {
      p.out = out + from * N, p.M = rows, p.N = N, p.K = K, p.ldo = N;
      p.a = offset(rowsOf(call.a, false, K), from * K);
      p.b = offset(rowsOf(call.b, false, K), e * N * K);
    } else if (call.kind == call.kInput) {
      p.out = out + from * K, p.M = rows, p.N = K, p.K = N, p.ldo = K;
      p.a = offset(rowsOf(call.a, false, N), from * N);
      p.b = offset(rowsOf(call.b, true, K), e * N * K);
    } else {
      p.out = out + e * N * K, p.M = N, p.N = K, p.K = rows, p.ldo = K;
      p.a = offset(rowsOf(call.a, true, N), from * N);
      p.b = offset(rowsOf(call.b, true, K), from * K);
    }
  }
  run(products, E, call.precision == call.kBf16);
}

}  // namespace SHOAL_ISA
