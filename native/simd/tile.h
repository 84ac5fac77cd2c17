// The AMX tile unit, or the same in C++ for testing its callers where there is none. One shape only: 16 rows of 64 bytes, that is
// C[16][16] f32 += A[16][32] bf16 · B[16 pairs][16 columns][2] bf16.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace SHOAL_ISA {

constexpr int kTileColumns = 16;  // of a tile

/** What later products will read: memory of which each step asks for some lines, and the tile of sums that the next one adds to (null: it does not). */
struct Prefetch {
  const uint8_t* at = nullptr;
  int lines = 0;
  const float* sums = nullptr;
};

}  // namespace SHOAL_ISA

#if defined(SHOAL_TILES) && !defined(SHOAL_TILES_EMULATED)
#include <immintrin.h>

namespace SHOAL_ISA {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t columnBytes[16] = {};
  uint8_t rows[16] = {};
};

/** Every task configures its thread's tiles, and releases them, so that nobody's context switches carry them between kernels. */
static inline void tilesBegin() {
  TileConfig config;
  for (int i = 0; i < 8; i++) {
    config.columnBytes[i] = 64;
    config.rows[i] = 16;
  }
  // The intrinsic names 8 bytes of the configuration only, so GCC may drop the other stores; the barrier keeps them.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}
static inline void tilesEnd() { _tile_release(); }

// GCC's tile loads and stores carry no memory clobber either.
#define SHOAL_TILE_BARRIER(p) asm volatile("" ::"r"(p) : "memory")

/**
 * c[32][32] (row stride ldc floats) (+)= a[32 rows][32·steps] (row stride lda bytes) · b[16·steps pair rows][32 columns] (128 bytes a row).
 * Meanwhile `ahead` is fetched. Of b only the first `columns` are anything but 0: of no more than half of them the others' products are left out.
 */
static inline void tileProduct32(float* c, ptrdiff_t ldc, const uint8_t* a, ptrdiff_t lda, const uint8_t* b, int steps, bool accumulate, const Prefetch& ahead = {}, int columns = 32) {
  SHOAL_TILE_BARRIER(a);
  SHOAL_TILE_BARRIER(b);
  if (accumulate) {
    SHOAL_TILE_BARRIER(c);
    _tile_loadd(0, c, ldc * 4);
    _tile_loadd(1, c + 16, ldc * 4);
    _tile_loadd(2, c + 16 * ldc, ldc * 4);
    _tile_loadd(3, c + 16 * ldc + 16, ldc * 4);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  // Lines of sums are asked for while products run: otherwise loads and stores wait for memory one after the other.
  const float* sums = ahead.sums ? ahead.sums : c;
  const bool wide = columns > kTileColumns;
  const int each = (32 + steps - 1) / steps;
  int row = 0;
  for (int s = 0; s < steps; s++, a += 64, b += 16 * 128) {
    for (const int until = row + each < 32 ? row + each : 32; row < until; row++) {
      __builtin_prefetch(sums + row * ldc, 1);
      __builtin_prefetch(sums + row * ldc + 16, 1);
    }
    for (int line = s * ahead.lines, end = line + ahead.lines; line < end; line++) __builtin_prefetch(ahead.at + line * 64, 0, 2);
    _tile_loadd(4, a, lda);
    _tile_loadd(6, b, 128);
    if (wide) _tile_loadd(7, b + 64, 128);
    _tile_dpbf16ps(0, 4, 6);
    if (wide) _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * lda, lda);
    _tile_dpbf16ps(2, 5, 6);
    if (wide) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, ldc * 4);
  _tile_stored(1, c + 16, ldc * 4);
  _tile_stored(2, c + 16 * ldc, ldc * 4);
  _tile_stored(3, c + 16 * ldc + 16, ldc * 4);
  SHOAL_TILE_BARRIER(c);
}

}  // namespace SHOAL_ISA

#elif defined(SHOAL_TILES)

namespace SHOAL_ISA {

static inline void tilesBegin() {}
static inline void tilesEnd() {}

static inline float emulatedBf16(const uint8_t* p) {
  uint16_t half;
  memcpy(&half, p, 2);
  const uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static inline void tileProduct32(float* c, ptrdiff_t ldc, const uint8_t* a, ptrdiff_t lda, const uint8_t* b, int steps, bool accumulate, const Prefetch& = {}, int columns = 32) {
  for (int m = 0; m < 32; m++) {
    for (int n = 0; n < 32; n++) {
      float sum = accumulate ? c[m * ldc + n] : 0;
      const int numbers = columns <= kTileColumns && n >= kTileColumns ? 0 : 32 * steps;
      for (int k = 0; k < numbers; k++) sum += emulatedBf16(a + m * lda + k * 2) * emulatedBf16(b + (k / 2) * 128 + n * 4 + (k % 2) * 2);
      c[m * ldc + n] = sum;
    }
  }
}

}  // namespace SHOAL_ISA

#endif
