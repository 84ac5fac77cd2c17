// Products turned round, for the tile unit: outᵀ = w · xᵀ. Tiles take A by rows, and weights are stored in such rows, so they are multiplied as they
// are; tokens are what is packed, in panels of 32. Sums come out as tiles of [32 numbers][32 tokens], which the next product takes without turning.
#pragma once
#if defined(SHOAL_TILES)
#include "gemm.h"

namespace SHOAL_ISA {

constexpr int kTokens = kNR;                // tokens of a panel
constexpr int kTile = kMR * kTokens;        // sums of a tile
constexpr int kPanels = 8;                  // panels that weights pass by together, while they are in the nearest cache
constexpr int kBlockTokens = kPanels * kTokens;
constexpr int kDepth = 512;                 // numbers of k at a time: 32 rows of weights stay in L1

/** Where the rows of 32 tokens begin; null beyond the last one. */
struct TokenRows {
  const float* at[kTokens];
};

/** Rows of K numbers (a multiple of 32) as a panel [K/2 units][32 tokens]. */
static void packTokens(uint32_t* panel, const TokenRows& rows, int K) {
#if defined(SHOAL_BF16_DOT)
  for (int half = 0; half < kTokens; half += 16) {
    for (int u = 0; u < K / 2; u += 16) {
      __m512i units[16];
      for (int t = 0; t < 16; t++) units[t] = rows.at[half + t] ? pairsAlong(rows.at[half + t] + 2 * u) : _mm512_setzero_si512();
      transpose16(units);
      for (int i = 0; i < 16; i++) _mm512_storeu_si512(panel + (u + i) * kTokens + half, units[i]);
    }
  }
#else
  for (int t = 0; t < kTokens; t++)
    for (int u = 0; u < K / 2; u++) panel[u * kTokens + t] = rows.at[t] ? unitOf<Mode::kPair>(rows.at[t][2 * u], rows.at[t][2 * u + 1]) : 0;
#endif
}

/** The same rows for a sum over tokens: panels [16 units of two tokens][32 numbers], `panelStride` units apart. */
static void packAcrossTokens(uint32_t* dst, ptrdiff_t panelStride, const TokenRows& rows, int K) {
  for (int t = 0; t < kTokens; t += 2, dst += kNR) {
    const float *first = rows.at[t], *second = rows.at[t + 1];
    for (int k = 0; k < K; k += kNR) {
      uint32_t* units = dst + k / kNR * panelStride;
#if defined(SHOAL_BF16_DOT)
      packAcross512(units, kNR, first ? first + k : nullptr, second ? second + k : nullptr, first ? kNR : 0);
#else
      for (int i = 0; i < kNR; i++) units[i] = first ? unitOf<Mode::kPair>(first[k + i], second ? second[k + i] : 0.0f) : 0;
#endif
    }
  }
}

/** out[t][0 … 31] (+)= tile[0 … 31][t]; no token where out[t] is null. */
static void turnOut(float* const* out, const float* tile, bool accumulate) {
#if defined(SHOAL_BF16_DOT)
  for (int t = 0; t < kTokens && out[t]; t += 16) {
    for (int n = 0; n < kMR; n += 16) {
      __m512i rows[16];
      for (int i = 0; i < 16; i++) rows[i] = _mm512_loadu_si512(tile + (n + i) * kTokens + t);
      transpose16(rows);
      for (int i = 0; i < 16 && out[t + i]; i++) {
        float* to = out[t + i] + n;
        store(to, accumulate ? load(to) + (Vf)rows[i] : (Vf)rows[i]);
      }
    }
  }
#else
  for (int t = 0; t < kTokens && out[t]; t++)
    for (int n = 0; n < kMR; n++) out[t][n] = accumulate ? out[t][n] + tile[n * kTokens + t] : tile[n * kTokens + t];
#endif
}

/** 32 rows of weights in bf16. */
struct WeightRows {
  const uint16_t* at;
  ptrdiff_t step;  // numbers from row to row
};

/** tiles[p] = rows · panels[p], K numbers deep. Meanwhile the rows that come next (or null) are fetched. */
static void multiplyRows(float* tiles, const WeightRows& rows, const uint32_t* panels, ptrdiff_t panelStride, int count, int K, const WeightRows& next) {
  for (int k = 0; k < K; k += kDepth) {
    const int depth = K - k < kDepth ? K - k : kDepth;
    for (int p = 0; p < count; p++) {
      const int first = kMR * p / count, last = kMR * (p + 1) / count;
      const Ahead ahead = {(const uint8_t*)(next.at ? next.at + first * next.step + k : nullptr), next.step * 2, next.at ? last - first : 0};
      tileProduct32(tiles + p * kTile, kTokens, (const uint8_t*)(rows.at + k), rows.step * 2, (const uint8_t*)(panels + p * panelStride + k / 2 * kTokens), depth / 32, k > 0, ahead);
    }
  }
}

/** Rows of numbers [count][K] as bf16: as they are, or rounded into `memory`. One task's share of it is rows from … to−1. */
static void roundRows(uint16_t* dst, const float* src, ptrdiff_t numbers) {
  packContiguous<Mode::kPair>((uint32_t*)dst, 0, 1, src, 0, 1, (int)numbers);
}

/** [rows][columns], f32 or bf16, as bf16 [columns][rows]; both multiples of 32. */
static void turnRows(uint16_t* dst, const Source& source, int rows, int columns) {
  const Source turned{source.data, source.bf16, 1, source.lineStep};
  for (int k = 0; k < rows; k += 32) {
#if defined(SHOAL_BF16_DOT)
    if (source.bf16) turnRows512((uint32_t*)dst + k / 2, rows / 2, (const uint16_t*)turned.at(0, k), turned.kStep, columns, 32);
    else turnRows512((uint32_t*)dst + k / 2, rows / 2, (const float*)turned.at(0, k), turned.kStep, columns, 32);
#else
    for (int line = 0; line < columns; line++)
      for (int i = 0; i < 32; i++) {
        const void* from = turned.at(line, k + i);
        dst[(ptrdiff_t)line * rows + k + i] = source.bf16 ? *(const uint16_t*)from : (uint16_t)(roundBits(bitsOf(*(const float*)from)) >> 16);
      }
#endif
  }
}

}  // namespace SHOAL_ISA
#endif
