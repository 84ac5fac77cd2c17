// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct FeedForward {
  const int32_t* offsets;  // i32 [E+1]
  float* out;  // f32 [J×D]
  ConstBuffer x;  // f32|bf16 [T×D]
  const int32_t* rows;  // i32 [J]
  ConstBuffer gateUp;  // f32|bf16 [E×2F×D]
  ConstBuffer down;  // f32|bf16 [E×D×F]
  int64_t E, D, F;
};
static_assert(sizeof(FeedForward) == 96, "");
constexpr BufferPlace kFeedForwardBuffers[] = {{0, -1, takes(Dtype::i32)}, {8, -1, takes(Dtype::f32)}, {16, 24, takes(Dtype::f32) | takes(Dtype::bf16)}, {32, -1, takes(Dtype::i32)}, {40, 48, takes(Dtype::f32) | takes(Dtype::bf16)}, {56, 64, takes(Dtype::f32) | takes(Dtype::bf16)}};

struct FeedForwardBackward {
  const int32_t* offsets;  // i32 [E+1]
  ConstBuffer x;  // f32|bf16 [T×D]
  const int32_t* rows;  // i32 [J]
  ConstBuffer gateUp;  // f32|bf16 [E×2F×D]
  ConstBuffer down;  // f32|bf16 [E×D×F]
  int64_t E, D, F;
  float* dx;  // f32 [J×D]
  Flag accumulate;
  float* dGateUp;  // f32 [E×2F×D]
  float* dDown;  // f32 [E×D×F]
  const float* dout;  // f32 [T×D]
  struct {
    const float* weights;  // f32 [J]
    float* dWeights;  // f32 [J]
    const int32_t* place;  // i32 [J]
  } mixture;
};
static_assert(sizeof(FeedForwardBackward) == 152, "");
constexpr BufferPlace kFeedForwardBackwardBuffers[] = {{0, -1, takes(Dtype::i32)}, {8, 16, takes(Dtype::f32) | takes(Dtype::bf16)}, {24, -1, takes(Dtype::i32)}, {32, 40, takes(Dtype::f32) | takes(Dtype::bf16)}, {48, 56, takes(Dtype::f32) | takes(Dtype::bf16)}, {88, -1, takes(Dtype::f32)}, {104, -1, takes(Dtype::f32)}, {112, -1, takes(Dtype::f32)}, {120, -1, takes(Dtype::f32)}, {128, -1, takes(Dtype::f32)}, {136, -1, takes(Dtype::f32)}, {144, -1, takes(Dtype::i32)}};

struct FeedForwardStep {
  float* out;  // f32 [T×D]
  const float* x;  // f32 [T×D]
  const float* norm;  // f32 [D]
  double eps;
  int64_t T, D;
  struct {
    HeldMatrix gateUp;  // [2F×D]
    HeldMatrix down;  // [D×F]
    int64_t F;
  } shared;
  struct {
    const float* router;  // f32 [E×D]
    const float* bias;  // f32 [E]
    HeldMatrix gateUp;  // [E·2F×D]
    HeldMatrix down;  // [E·D×F]
    int64_t F, E, K, groups, topkGroups;
    enum Scoring : int64_t { kSigmoid, kSoftmax } scoring;
    enum GroupScore : int64_t { kTopTwo, kMax } groupScore;
    Flag normalize;
    double scale;
    int32_t* indices;  // i32 [T×K]
    float* weights;  // f32 [T×K]
    int32_t* offsets;  // i32 [E+1]
  } experts;
};
static_assert(sizeof(FeedForwardStep) == 296, "");
constexpr BufferPlace kFeedForwardStepBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {48, 56, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {64, -1, takes(Dtype::bf16)}, {80, 88, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {96, -1, takes(Dtype::bf16)}, {120, -1, takes(Dtype::f32)}, {128, -1, takes(Dtype::f32)}, {136, 144, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {152, -1, takes(Dtype::bf16)}, {168, 176, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {184, -1, takes(Dtype::bf16)}, {272, -1, takes(Dtype::i32)}, {280, -1, takes(Dtype::f32)}, {288, -1, takes(Dtype::i32)}};

struct AttentionStep {
  float* out;  // f32 [T×D]
  const float* x;  // f32 [T×D]
  const float* norm;  // f32 [D]
  double eps;
  int64_t T, D;
  HeldMatrix qA;  // [rank×D]
  const float* qANorm;  // f32 [rank]
  int64_t rank;
  double latentEps;
  HeldMatrix q;  // [H(N+P)×rank or D]
  HeldMatrix kvA;  // [R+P×D]
  const float* kvANorm;  // f32 [R]
  ConstBuffer kvB;  // f32|bf16 [H(N+V)×R]
  HeldMatrix o;  // [D×H·V]
  const float* cos;  // f32 [angles×P/2]
  const float* sin;  // f32 [angles×P/2]
  const int32_t* positions;  // i32 [T]
  Flag interleaved;
  Buffer cache;  // f32|bf16|i8 [rows×(R+P)]
  float* cacheScales;  // f32 [rows×2]
  const int32_t* rowStart;  // i32 [T]
  const int32_t* rowCount;  // i32 [T]
  int64_t H, N, P, V, R;
  double scale;
};
static_assert(sizeof(AttentionStep) == 344, "");
constexpr BufferPlace kAttentionStepBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {48, 56, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {64, -1, takes(Dtype::bf16)}, {80, -1, takes(Dtype::f32)}, {104, 112, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {120, -1, takes(Dtype::bf16)}, {136, 144, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {152, -1, takes(Dtype::bf16)}, {168, -1, takes(Dtype::f32)}, {176, 184, takes(Dtype::f32) | takes(Dtype::bf16)}, {192, 200, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {208, -1, takes(Dtype::bf16)}, {224, -1, takes(Dtype::f32)}, {232, -1, takes(Dtype::f32)}, {240, -1, takes(Dtype::i32)}, {256, 264, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {272, -1, takes(Dtype::f32)}, {280, -1, takes(Dtype::i32)}, {288, -1, takes(Dtype::i32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_FUSED_KERNELS(each) \
  each(feedForwardStep, FeedForwardStep, void) \
  each(attentionStep, AttentionStep, void)
#define SHOAL_FUSED_TILE_KERNELS(each) \
  each(feedForward, FeedForward, void) \
  each(feedForwardBackward, FeedForwardBackward, void)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_FUSED_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_FUSED_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
