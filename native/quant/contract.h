// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct Convert {
  Buffer out;  // f32|bf16|f8e4m3 [n]
  ConstBuffer x;  // f32|bf16|f8e4m3 [n]
  int64_t n;
};
static_assert(sizeof(Convert) == 40, "");
constexpr BufferPlace kConvertBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::f8e4m3)}, {16, 24, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::f8e4m3)}};

struct QuantiseFp8 {
  uint8_t* codes;  // f8e4m3 [R×C]
  float* factors;  // f32 [⌈R/128⌉×⌈C/128⌉]
  const float* x;  // f32 [R×C]
  int64_t R, C;
};
static_assert(sizeof(QuantiseFp8) == 40, "");
constexpr BufferPlace kQuantiseFp8Buffers[] = {{0, -1, takes(Dtype::f8e4m3)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}};

struct DequantiseFp8 {
  const uint8_t* codes;  // f8e4m3 [R×C]
  const float* factors;  // f32 [⌈R/128⌉×⌈C/128⌉]
  Buffer out;  // f32|bf16 [R×C]
  int64_t R, C;
};
static_assert(sizeof(DequantiseFp8) == 48, "");
constexpr BufferPlace kDequantiseFp8Buffers[] = {{0, -1, takes(Dtype::f8e4m3)}, {8, -1, takes(Dtype::f32)}, {16, 24, takes(Dtype::f32) | takes(Dtype::bf16)}};

struct Quantise {
  int8_t* codes;  // i8 [N×K×bits/8]
  uint16_t* scales;  // bf16 [N×K/32]
  int64_t bits;
  const float* x;  // f32 [N×K]
  int64_t N, K;
};
static_assert(sizeof(Quantise) == 48, "");
constexpr BufferPlace kQuantiseBuffers[] = {{0, -1, takes(Dtype::i8)}, {8, -1, takes(Dtype::bf16)}, {24, -1, takes(Dtype::f32)}};

struct QuantisedMatmul {
  float* out;  // f32 [J×N]
  const float* a;  // f32 [J×K]
  const int8_t* codes;  // i8 [E×N×K×bits/8]
  const uint16_t* scales;  // bf16 [E×N×K/32]
  int64_t bits;
  const int32_t* offsets;  // i32 [E+1]
  int64_t J, E, N, K;
};
static_assert(sizeof(QuantisedMatmul) == 80, "");
constexpr BufferPlace kQuantisedMatmulBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::i8)}, {24, -1, takes(Dtype::bf16)}, {40, -1, takes(Dtype::i32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_QUANT_KERNELS(each) \
  each(convert, Convert, void) \
  each(quantiseFp8, QuantiseFp8, void) \
  each(dequantiseFp8, DequantiseFp8, void) \
  each(quantise, Quantise, void) \
  each(quantisedMatmul, QuantisedMatmul, void)
#define SHOAL_QUANT_TILE_KERNELS(each)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_QUANT_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_QUANT_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
