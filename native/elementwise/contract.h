// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct Add {
  float* out;  // f32 [n]
  const float* a;  // f32 [n]
  const float* b;  // f32 [n]
  int64_t n;
  double scaleA, scaleB;
};
static_assert(sizeof(Add) == 48, "");
constexpr BufferPlace kAddBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}};

struct Zero {
  float* x;  // f32 [n]
  int64_t n;
};
static_assert(sizeof(Zero) == 16, "");
constexpr BufferPlace kZeroBuffers[] = {{0, -1, takes(Dtype::f32)}};

struct SumSquares {
  const float* x;  // f32 [n]
  int64_t n;
};
static_assert(sizeof(SumSquares) == 16, "");
constexpr BufferPlace kSumSquaresBuffers[] = {{0, -1, takes(Dtype::f32)}};

struct Adamw {
  float* w;  // f32 [n]
  const float* g;  // f32 [n]
  float* m;  // f32 [n]
  float* v;  // f32 [n]
  int64_t n;
  double lr, beta1, beta2, eps, decay;
  int64_t step;
  double gradScale;
};
static_assert(sizeof(Adamw) == 96, "");
constexpr BufferPlace kAdamwBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_ELEMENTWISE_KERNELS(each) \
  each(add, Add, void) \
  each(zero, Zero, void) \
  each(sumSquares, SumSquares, double) \
  each(adamw, Adamw, void)
#define SHOAL_ELEMENTWISE_TILE_KERNELS(each)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_ELEMENTWISE_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_ELEMENTWISE_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
