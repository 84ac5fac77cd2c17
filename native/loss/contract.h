// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct CrossEntropy {
  float* logits;  // f32 [T×V]
  float* losses;  // f32 [T]
  const int32_t* targets;  // i32 [T]
  int64_t T, V;
  Buffer gradient;  // f32|bf16 [T×V]
  double gradScale;
};
static_assert(sizeof(CrossEntropy) == 64, "");
constexpr BufferPlace kCrossEntropyBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::i32)}, {40, 48, takes(Dtype::f32) | takes(Dtype::bf16)}};

struct TokenWeights {
  int32_t* ids;  // i32 [V]
  float* weights;  // f32 [V]
  float* sum;  // f32 [1]
  const float* scores;  // f32 [V]
  int64_t V;
  double temperature, share;
};
static_assert(sizeof(TokenWeights) == 56, "");
constexpr BufferPlace kTokenWeightsBuffers[] = {{0, -1, takes(Dtype::i32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}};

struct HeadLoss {
  float* losses;  // f32 [T]
  float* dx;  // f32 [T×D]
  float* dw;  // f32 [V×D]
  const float* x;  // f32 [T×D]
  const float* w;  // f32 [V×D]
  const int32_t* targets;  // i32 [T]
  int64_t T, D, V;
  double gradScale;
};
static_assert(sizeof(HeadLoss) == 80, "");
constexpr BufferPlace kHeadLossBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::f32)}, {40, -1, takes(Dtype::i32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_LOSS_KERNELS(each) \
  each(crossEntropy, CrossEntropy, void) \
  each(tokenWeights, TokenWeights, double)
#define SHOAL_LOSS_TILE_KERNELS(each) \
  each(headLoss, HeadLoss, void)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_LOSS_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_LOSS_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
