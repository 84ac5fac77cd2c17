// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.
#pragma once
#include "gemm/contract.h"
#include "norm/contract.h"
#include "attention/contract.h"
#include "moe/contract.h"
#include "quant/contract.h"
#include "loss/contract.h"
#include "elementwise/contract.h"
#include "fused/contract.h"

#define SHOAL_KERNELS(each) \
  SHOAL_GEMM_KERNELS(each) \
  SHOAL_NORM_KERNELS(each) \
  SHOAL_ATTENTION_KERNELS(each) \
  SHOAL_MOE_KERNELS(each) \
  SHOAL_QUANT_KERNELS(each) \
  SHOAL_LOSS_KERNELS(each) \
  SHOAL_ELEMENTWISE_KERNELS(each) \
  SHOAL_FUSED_KERNELS(each)

#define SHOAL_TILE_KERNELS(each) \
  SHOAL_GEMM_TILE_KERNELS(each) \
  SHOAL_NORM_TILE_KERNELS(each) \
  SHOAL_ATTENTION_TILE_KERNELS(each) \
  SHOAL_MOE_TILE_KERNELS(each) \
  SHOAL_QUANT_TILE_KERNELS(each) \
  SHOAL_LOSS_TILE_KERNELS(each) \
  SHOAL_ELEMENTWISE_TILE_KERNELS(each) \
  SHOAL_FUSED_TILE_KERNELS(each)

/** Kernels in the order of these lists: name, hash of the struct's layout, its size, where the number of tokens stands (−1: nowhere), and its buffers. */
constexpr KernelLayout kLayouts[] = {
    {"matmul", "b00e66218dee6ac6", 152, -1, call::kMatmulBuffers, 3},
    {"groupedMatmul", "4b13815fdbdcc03f", 96, -1, call::kGroupedMatmulBuffers, 4},
    {"rmsNorm", "151dda4ed07b7048", 88, 48, call::kRmsNormBuffers, 4},
    {"rmsNormBackward", "14b00bac79fdeeb6", 88, 48, call::kRmsNormBackwardBuffers, 6},
    {"rope", "f69251701711e09c", 88, 32, call::kRopeBuffers, 4},
    {"attention", "be6fa269bdfe50f9", 112, -1, call::kAttentionBuffers, 6},
    {"attentionBackward", "53d1282464fe4ab1", 160, -1, call::kAttentionBackwardBuffers, 10},
    {"writeLatents", "8183dd7d24c916e9", 80, 48, call::kWriteLatentsBuffers, 5},
    {"latentAttention", "7f39e5062ac710fb", 120, -1, call::kLatentAttentionBuffers, 7},
    {"swiglu", "5bfce495b4a456f3", 40, 24, call::kSwigluBuffers, 2},
    {"swigluBackward", "734201379771be82", 56, 40, call::kSwigluBackwardBuffers, 3},
    {"route", "b395b5a9b55380b7", 112, 40, call::kRouteBuffers, 5},
    {"routeBackward", "adb05e51f1c37e09", 88, 40, call::kRouteBackwardBuffers, 5},
    {"balanceLoss", "074b63917e045fed", 80, 40, call::kBalanceLossBuffers, 4},
    {"dispatch", "bc1ad077c3f0eb04", 56, 32, call::kDispatchBuffers, 4},
    {"gatherRows", "6411e323547314e5", 56, -1, call::kGatherRowsBuffers, 3},
    {"scatterRows", "f7c8d60551c5a4fc", 48, -1, call::kScatterRowsBuffers, 3},
    {"combine", "39f7e8f31f3bbc48", 56, 32, call::kCombineBuffers, 4},
    {"combineBackward", "a39c78d5c60609e7", 88, 64, call::kCombineBackwardBuffers, 6},
    {"convert", "0cd4acd7b7d9672b", 40, -1, call::kConvertBuffers, 2},
    {"quantiseFp8", "959bd08d1a61b324", 40, -1, call::kQuantiseFp8Buffers, 3},
    {"dequantiseFp8", "645c5df6215087bc", 48, -1, call::kDequantiseFp8Buffers, 3},
    {"quantise", "f5b4d7eaad95a67f", 48, -1, call::kQuantiseBuffers, 3},
    {"quantisedMatmul", "b76949dc654b1887", 80, -1, call::kQuantisedMatmulBuffers, 5},
    {"crossEntropy", "fe7e7efd4d665f99", 64, 24, call::kCrossEntropyBuffers, 4},
    {"tokenWeights", "cd6b62c9a68d62da", 56, -1, call::kTokenWeightsBuffers, 4},
    {"add", "2c820af12f2629dc", 48, -1, call::kAddBuffers, 3},
    {"zero", "4ba7af259d5627c6", 16, -1, call::kZeroBuffers, 1},
    {"sumSquares", "c0e6addf86e82855", 16, -1, call::kSumSquaresBuffers, 1},
    {"adamw", "8e259a80c53d29ac", 96, -1, call::kAdamwBuffers, 4},
    {"feedForwardStep", "2a8ab77c8ccfe736", 296, 32, call::kFeedForwardStepBuffers, 16},
    {"attentionStep", "c91ce13a661b8110", 344, 32, call::kAttentionStepBuffers, 21},
    {"headLoss", "74c206fc85118af8", 80, 48, call::kHeadLossBuffers, 6},
    {"feedForward", "33650b130f57d816", 96, -1, call::kFeedForwardBuffers, 6},
    {"feedForwardBackward", "c5e15d8e64c6e471", 152, -1, call::kFeedForwardBackwardBuffers, 12},
};
