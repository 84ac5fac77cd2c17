// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

struct Matmul {
  float* out;  // f32 [batch.count:batch.out×M:ldo×N]
  ConstBuffer a;  // f32|bf16 [batch.count:batch.a×M:lda×K or batch.count:batch.a×K:lda×M]
  ConstBuffer b;  // f32|bf16 [batch.count:batch.b×K:ldb×N or batch.count:batch.b×N:ldb×K]
  int64_t M, N, K;
  Flag aT, bT;
  int64_t lda, ldb, ldo;
  Flag accumulate;
  enum Precision : int64_t { kF32, kBf16 } precision;
  struct {
    int64_t count, a, b, out;
  } batch;
};
static_assert(sizeof(Matmul) == 152, "");
constexpr BufferPlace kMatmulBuffers[] = {{0, -1, takes(Dtype::f32)}, {8, 16, takes(Dtype::f32) | takes(Dtype::bf16)}, {24, 32, takes(Dtype::f32) | takes(Dtype::bf16)}};

struct GroupedMatmul {
  enum Kind : int64_t { kForward, kInput, kWeight } kind;
  float* out;  // f32 [J×N or J×K or E×N×K]
  ConstBuffer a;  // f32|bf16 [J×K or J×N or J×N]
  ConstBuffer b;  // f32|bf16 [E×N×K or E×N×K or J×K]
  const int32_t* offsets;  // i32 [E+1]
  int64_t E, N, K;
  Flag accumulate;
  enum Precision : int64_t { kF32, kBf16 } precision;
};
static_assert(sizeof(GroupedMatmul) == 96, "");
constexpr BufferPlace kGroupedMatmulBuffers[] = {{8, -1, takes(Dtype::f32)}, {16, 24, takes(Dtype::f32) | takes(Dtype::bf16)}, {32, 40, takes(Dtype::f32) | takes(Dtype::bf16)}, {48, -1, takes(Dtype::i32)}};

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
#define SHOAL_GEMM_KERNELS(each) \
  each(matmul, Matmul, void) \
  each(groupedMatmul, GroupedMatmul, void)
#define SHOAL_GEMM_TILE_KERNELS(each)

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_GEMM_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_GEMM_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
