// The gradient of weights, dyᵀ · x, by tiles: a sum over many tokens, whose rows of dy become lines and whose rows of x panels, once each.
#pragma once
#include "gemm/gemv.h"
#include "gemm/transposed.h"
#if defined(SHOAL_TILES)

namespace SHOAL_ISA {

constexpr ptrdiff_t kSummed = 2048;  // tokens whose packed rows of dy and x are in a cache when they are summed over

static bool sumsOverTokens(const Product& p) {
  return p.a.lineStep == 1 && p.b.lineStep == 1 && p.K >= kSummed / 4 && p.K % 32 == 0 && p.M <= 2048 && p.N <= 2048;
}

/** Asks for 32 tokens' rows in the order of memory. */
static void prefetchLines(const Source& s, ptrdiff_t lines, ptrdiff_t token) {
  for (int i = 0; i < 32; i++)
    for (ptrdiff_t line = 0; line < lines; line += s.bf16 ? 32 : 16) __builtin_prefetch(s.at(line, token + i));
}

/** tileProduct32 for a tile at the border of the output. */
static void addTile(const Product& p, ptrdiff_t m, ptrdiff_t n, const uint16_t* lines, ptrdiff_t step, const uint32_t* panel, int steps, bool accumulate) {
  const int rows = (int)(p.M - m < kMR ? p.M - m : kMR), columns = (int)(p.N - n < kNR ? p.N - n : kNR);
  float* out = p.out + m * p.ldo + n;
  if (rows == kMR && columns == kNR) return tileProduct32(out, p.ldo, (const uint8_t*)lines, step * 2, (const uint8_t*)panel, steps, accumulate);
  alignas(64) float tile[kTile];
  tileProduct32(tile, kNR, (const uint8_t*)lines, step * 2, (const uint8_t*)panel, steps, false);
  placeTile({out, rows, columns, p.ldo}, tile, accumulate);
}

static void sumOverTokens(const Product& p) {
  const ptrdiff_t groups = ceilDiv(p.M, kMR), panels = ceilDiv(p.N, kNR), step = kSummed + 32;
  // dy as lines [M][tokens], x as panels [N / 32][tokens / 2][32].
  Scratch shared(Arena::kShared);
  uint16_t* lines = shared.take<uint16_t>(groups * kMR * step + panels * kNR * kSummed);
  uint32_t* x = (uint32_t*)(lines + groups * kMR * step);
  const ptrdiff_t panel = kSummed / 2 * kNR;
  if (p.M % kMR) clearBytes(lines + p.M / kMR * kMR * step, kMR * step * 2);
  for (ptrdiff_t from = 0; from < p.K; from += kSummed) {
    const ptrdiff_t tokens = p.K - from < kSummed ? p.K - from : kSummed;
    parallelFor(tokens / 32, [&](ptrdiff_t block) {
      const ptrdiff_t token = block * 32;
      prefetchLines(p.a, p.M, from + token);
      prefetchLines(p.b, p.N, from + token);
      transposeRows(lines + token, step, {p.a.at(0, from + token), p.a.bf16, p.a.kStep, 1}, (int)p.M);
      for (ptrdiff_t i = 0; i < panels; i++)
        packPanel<Mode::kPair>(x + i * panel + token / 2 * kNR, p.b, i * kNR, (int)(p.N - i * kNR < kNR ? p.N - i * kNR : kNR), from + token, 32);
    });
    parallelFor(groups, [&](ptrdiff_t group) {
      productsBegin<Mode::kPair>();
      for (ptrdiff_t i = 0; i < panels; i++)
        addTile(p, group * kMR, i * kNR, lines + group * kMR * step, step, x + i * panel, (int)(tokens / 32), p.accumulate || from > 0);
      productsEnd<Mode::kPair>();
    });
  }
}

/** Runs those that are sums over tokens, and returns how many of the others, now the first, are left. */
static ptrdiff_t runSums(Product* products, ptrdiff_t count) {
  ptrdiff_t left = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    if (sumsOverTokens(products[i])) sumOverTokens(products[i]);
    else products[left++] = products[i];
  }
  return left;
}

}  // namespace SHOAL_ISA
#endif
