// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct Attention {
  const int32_t* segments;  // i32 [S×4]
  int64_t S, H, N, P, V, ldk;
  double scale;
  enum Precision : int64_t { kF32, kBf16 } precision;
  float* out;  // f32 [Tq×H×V]
  float* lse;  // f32 [Tq×H]
  const float* q;  // f32 [Tq×H×(N+P)]
  const float* kv;  // f32 [Tk×H×(N+V)]
  const float* kRope;  // f32 [Tk:ldk×P]
};
static_assert(sizeof(Attention) == 112, "");
constexpr BufferPlace kAttentionBuffers[] = {{0, -1, takes(Dtype::i32)}, {72, -1, takes(Dtype::f32)}, {80, -1, takes(Dtype::f32)}, {88, -1, takes(Dtype::f32)}, {96, -1, takes(Dtype::f32)}, {104, -1, takes(Dtype::f32)}};

struct AttentionBackward {
  const int32_t* segments;  // i32 [S×4]
  int64_t S, H, N, P, V, ldk;
  double scale;
  enum Precision : int64_t { kF32, kBf16 } precision;
  Flag fresh;
  float* dq;  // f32 [Tq×H×(N+P)]
  float* dkv;  // f32 [Tk×H×(N+V)]
  float* dkRope;  // f32 [Tk:lddk×P]
  int64_t lddk;
  const float* dout;  // f32 [Tq×H×V]
  const float* out;  // f32 [Tq×H×V]
  const float* lse;  // f32 [Tq×H]
  const float* q;  // f32 [Tq×H×(N+P)]
  const float* kv;  // f32 [Tk×H×(N+V)]
  const float* kRope;  // f32 [Tk:ldk×P]
};
static_assert(sizeof(AttentionBackward) == 160, "");
constexpr BufferPlace kAttentionBackwardBuffers[] = {{0, -1, takes(Dtype::i32)}, {80, -1, takes(Dtype::f32)}, {88, -1, takes(Dtype::f32)}, {96, -1, takes(Dtype::f32)}, {112, -1, takes(Dtype::f32)}, {120, -1, takes(Dtype::f32)}, {128, -1, takes(Dtype::f32)}, {136, -1, takes(Dtype::f32)}, {144, -1, takes(Dtype::f32)}, {152, -1, takes(Dtype::f32)}};

struct WriteLatents {
  Buffer cache;  // f32|bf16|i8 [rows×(R+P)]
  float* cacheScales;  // f32 [rows×2]
  const float* cKv;  // f32 [T×R]
  const float* kRope;  // f32 [T:ldk×P]
  const int32_t* places;  // i32 [T]
  int64_t T, R, P, ldk;
};
static_assert(sizeof(WriteLatents) == 80, "");
constexpr BufferPlace kWriteLatentsBuffers[] = {{0, 8, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {16, -1, takes(Dtype::f32)}, {24, -1, takes(Dtype::f32)}, {32, -1, takes(Dtype::f32)}, {40, -1, takes(Dtype::i32)}};

struct LatentAttention {
  float* out;  // f32 [Nq×H×R]
  const float* qLatent;  // f32 [Nq×H×R]
  const float* qRope;  // f32 [Nq:ldq×H:qHeadStride×P]
  ConstBuffer cache;  // f32|bf16|i8 [rows×(R+P)]
  const float* cacheScales;  // f32 [rows×2]
  const int32_t* rowStart;  // i32 [Nq]
  const int32_t* rowCount;  // i32 [Nq]
  int64_t Nq, H, R, P, ldq, qHeadStride;
  double scale;
};
static_assert(sizeof(LatentAttention) == 120, "");
constexpr BufferPlace kLatentAttentionBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, -1, takes(Dtype::f32)}, {16, -1, takes(Dtype::f32)}, {24, 32, takes(Dtype::f32) | takes(Dtype::bf16) | takes(Dtype::i8)}, {40, -1, takes(Dtype::f32)}, {48, -1, takes(Dtype::i32)}, {56, -1, takes(Dtype::i32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_ATTENTION_KERNELS(each) \
  each(attention, Attention, void) \
  each(attentionBackward, AttentionBackward, void) \
  each(writeLatents, WriteLatents, void) \
  each(latentAttention, LatentAttention, void)
#define SHOAL_ATTENTION_TILE_KERNELS(each)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_ATTENTION_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_ATTENTION_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
