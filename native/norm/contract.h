// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct RmsNorm {
  Buffer out;  // f32|bf16 [T:ldo×D]
  float* rstd;  // f32 [T]
  const float* x;  // f32 [T:ldx×D]
  ConstBuffer w;  // f32|bf16 [D]
  int64_t T, D;
  double eps;
  int64_t ldx, ldo;
};
static_assert(sizeof(RmsNorm) == 88, "");
constexpr BufferPlace kRmsNormBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}, {32, 40, takes(Dtype::f32) | takes(Dtype::bf16)}};

struct RmsNormBackward {
  float* dx;  // f32 [T:lddx×D]
  float* dw;  // f32 [D]
  const float* dy;  // f32 [T:lddy×D]
  const float* x;  // f32 [T:ldx×D]
  const float* w;  // f32 [D]
  const float* rstd;  // f32 [T]
  int64_t T, D, ldx, lddx, lddy;
};
static_assert(sizeof(RmsNormBackward) == 88, "");
constexpr BufferPlace kRmsNormBackwardBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::f32)}, {40, -1, takes(Dtype::f32)}};

struct Rope {
  float* x;  // f32 [T:ld×H:headStride×P]
  const int32_t* positions;  // i32 [T]
  const float* cos;  // f32 [angles×P/2]
  const float* sin;  // f32 [angles×P/2]
  int64_t T, H, P, ld, headStride;
  Flag interleaved, inverse;
};
static_assert(sizeof(Rope) == 88, "");
constexpr BufferPlace kRopeBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::i32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_NORM_KERNELS(each) \
  each(rmsNorm, RmsNorm, void) \
  each(rmsNormBackward, RmsNormBackward, void) \
  each(rope, Rope, void)
#define SHOAL_NORM_TILE_KERNELS(each)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_NORM_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_NORM_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
