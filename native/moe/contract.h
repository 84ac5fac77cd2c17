// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct Swiglu {
  Buffer out;  // f32|bf16 [T×F]
  const float* x;  // f32 [T×2F]
  int64_t T, F;
};
static_assert(sizeof(Swiglu) == 40, "");
constexpr BufferPlace kSwigluBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16)}, {16, -1, takes(Dtype::f32)}};

struct SwigluBackward {
  Buffer dx;  // f32|bf16 [T×2F]
  Flag fresh;
  const float* dy;  // f32 [T×F]
  const float* x;  // f32 [T×2F]
  int64_t T, F;
};
static_assert(sizeof(SwigluBackward) == 56, "");
constexpr BufferPlace kSwigluBackwardBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::f32)}};

struct Route {
  float* scores;  // f32 [T×E]
  int32_t* indices;  // i32 [T×K]
  float* weights;  // f32 [T×K]
  const float* logits;  // f32 [T×E]
  const float* bias;  // f32 [E]
  int64_t T, E, K, groups, topkGroups;
  enum Scoring : int64_t { kSigmoid, kSoftmax } scoring;
  enum GroupScore : int64_t { kTopTwo, kMax } groupScore;
  Flag normalize;
  double scale;
};
static_assert(sizeof(Route) == 112, "");
constexpr BufferPlace kRouteBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::i32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::f32)}};

struct RouteBackward {
  float* dLogits;  // f32 [T×E]
  const float* dWeights;  // f32 [T×K]
  const float* dScores;  // f32 [T×E]
  const float* scores;  // f32 [T×E]
  const int32_t* indices;  // i32 [T×K]
  int64_t T, E, K;
  enum Scoring : int64_t { kSigmoid, kSoftmax } scoring;
  Flag normalize;
  double scale;
};
static_assert(sizeof(RouteBackward) == 88, "");
constexpr BufferPlace kRouteBackwardBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::i32)}};

struct BalanceLoss {
  float* dScores;  // f32 [T×E]
  const float* scores;  // f32 [T×E]
  const int32_t* indices;  // i32 [T×K]
  const int32_t* segments;  // i32 [S×4]
  int64_t S, T, E, K;
  double alpha, gradScale;
};
static_assert(sizeof(BalanceLoss) == 80, "");
constexpr BufferPlace kBalanceLossBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::i32)}, {24, -1, takes(Dtype::i32)}};

struct Dispatch {
  int32_t* place;  // i32 [T×K]
  int32_t* tokens;  // i32 [T×K]
  int32_t* offsets;  // i32 [E+1]
  const int32_t* indices;  // i32 [T×K]
  int64_t T, E, K;
};
static_assert(sizeof(Dispatch) == 56, "");
constexpr BufferPlace kDispatchBuffers[] = {{0, -1, takes(Dtype::i32)}, {8, -1, takes(Dtype::i32)}, {16, -1, takes(Dtype::i32)}, {24, -1, takes(Dtype::i32)}};

struct GatherRows {
  Buffer out;  // f32|bf16 [J×D]
  ConstBuffer x;  // f32|bf16 [X×D]
  const int32_t* rows;  // i32 [J]
  int64_t J, D;
};
static_assert(sizeof(GatherRows) == 56, "");
constexpr BufferPlace kGatherRowsBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16)}, {16, 24, takes(Dtype::f32) | takes(Dtype::bf16)}, {32, -1, takes(Dtype::i32)}};

struct ScatterRows {
  float* dx;  // f32 [X×D]
  const float* dy;  // f32 [J×D]
  const int32_t* rows;  // i32 [J]
  int64_t J, D, X;
};
static_assert(sizeof(ScatterRows) == 48, "");
constexpr BufferPlace kScatterRowsBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::i32)}};

struct Combine {
  float* out;  // f32 [T×D]
  const float* y;  // f32 [T×K×D]
  const float* weights;  // f32 [T×K]
  const int32_t* place;  // i32 [T×K]
  int64_t T, K, D;
};
static_assert(sizeof(Combine) == 56, "");
constexpr BufferPlace kCombineBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::i32)}};

struct CombineBackward {
  Buffer dy;  // f32|bf16 [T×K×D]
  Flag fresh;
  float* dWeights;  // f32 [T×K]
  const float* dout;  // f32 [T×D]
  const float* y;  // f32 [T×K×D]
  const float* weights;  // f32 [T×K]
  const int32_t* place;  // i32 [T×K]
  int64_t T, K, D;
};
static_assert(sizeof(CombineBackward) == 88, "");
constexpr BufferPlace kCombineBackwardBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::f32)}, {40, -1, takes(Dtype::f32)}, {48, -1, takes(Dtype::f32)}, {56, -1, takes(Dtype::i32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_MOE_KERNELS(each) \
  each(swiglu, Swiglu, void) \
  each(swigluBackward, SwigluBackward, void) \
  each(route, Route, void) \
  each(routeBackward, RouteBackward, void) \
  each(balanceLoss, BalanceLoss, double) \
  each(dispatch, Dispatch, void) \
  each(gatherRows, GatherRows, void) \
  each(scatterRows, ScatterRows, void) \
  each(combine, Combine, void) \
  each(combineBackward, CombineBackward, void)
#define SHOAL_MOE_TILE_KERNELS(each)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_MOE_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_MOE_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
