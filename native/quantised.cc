// Products with weights in 8 or 4 bits, blocks of 32 along k with a bf16 scale each. Decoding is bound by reading weights: a block is widened in
// registers and meets up to eight rows at a time. Many rows (prompts) go through the packed product, over weights widened to bf16 once.
#include "args.h"
#include "gemm.h"
#include "product.h"
#if SHOAL_VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

namespace SHOAL_ISA {
namespace {

constexpr int kBlock = 32;
constexpr int kMostRows = 8;

constexpr int kVectors = kBlock / kLanes;

// Bytes to f32. Written with intrinsics where there are any: GCC 12 turns the vector extension's conversion into one instruction a lane.
#if SHOAL_VECTOR_BYTES == 64
SHOAL_INLINE Vf signedBytes(const uint8_t* p) { return (Vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p))); }
SHOAL_INLINE Vf lowHalves(const uint8_t* p) {
  return (Vf)_mm512_cvtepi32_ps(_mm512_and_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)), _mm512_set1_epi32(15)));
}
SHOAL_INLINE Vf highHalves(const uint8_t* p) {
  return (Vf)_mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)), 4));
}
#elif SHOAL_VECTOR_BYTES == 32
SHOAL_INLINE Vf signedBytes(const uint8_t* p) { return (Vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p))); }
SHOAL_INLINE Vf lowHalves(const uint8_t* p) {
  return (Vf)_mm256_cvtepi32_ps(_mm256_and_si256(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)), _mm256_set1_epi32(15)));
}
SHOAL_INLINE Vf highHalves(const uint8_t* p) {
  return (Vf)_mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)), 4));
}
#else
SHOAL_INLINE Vf signedBytes(const uint8_t* p) { return Vf{(float)(int8_t)p[0], (float)(int8_t)p[1], (float)(int8_t)p[2], (float)(int8_t)p[3]}; }
SHOAL_INLINE Vf lowHalves(const uint8_t* p) { return Vf{(float)(p[0] & 15), (float)(p[1] & 15), (float)(p[2] & 15), (float)(p[3] & 15)}; }
SHOAL_INLINE Vf highHalves(const uint8_t* p) { return Vf{(float)(p[0] >> 4), (float)(p[1] >> 4), (float)(p[2] >> 4), (float)(p[3] >> 4)}; }
#endif

/** A block's 32 weights as f32. */
template <int bits>
SHOAL_INLINE void widen(const uint8_t* codes, float scale, Vf w[kVectors]) {
  const Vf s = splat(scale);
  if (bits == 8) {
    for (int v = 0; v < kVectors; v++)
      w[v] = signedBytes(codes + v * kLanes) * s;
  } else {
    // Byte j holds weight j in its low half and weight j + 16 in its high half, both 8 too large.
    for (int v = 0; v < kVectors / 2; v++) {
      w[v] = (lowHalves(codes + v * kLanes) - 8.0f) * s;
      w[v + kVectors / 2] = (highHalves(codes + v * kLanes) - 8.0f) * s;
    }
  }
}

template <int bits>
constexpr ptrdiff_t bytesOf(ptrdiff_t weights) { return bits == 8 ? weights : weights / 2; }

/** Dot products of M rows of a with one row of weights. Each row's sum is formed in the same order whatever M is. */
template <int bits, int M>
SHOAL_INLINE void dots(const float* a, ptrdiff_t K, const uint8_t* codes, const uint16_t* scales, float* results) {
  Vf sum[M][2] = {};
  for (ptrdiff_t k = 0; k < K; k += kBlock, codes += bytesOf<bits>(kBlock), scales++) {
    __builtin_prefetch((const char*)codes + 1024);
    Vf w[kVectors];
    widen<bits>(codes, loadBf16One(scales), w);
    for (int m = 0; m < M; m++)
      for (int v = 0; v < kVectors; v++) sum[m][v % 2] = sum[m][v % 2] + load(a + m * K + k + v * kLanes) * w[v];
  }
  for (int m = 0; m < M; m++) results[m] = lanesSum(sum[m][0] + sum[m][1]);
}

struct Group {
  float* out;
  const float* a;
  const uint8_t* codes;
  const uint16_t* scales;
  ptrdiff_t M, N, K;
};

template <int bits>
void fewRows(const Group& g, ptrdiff_t from, ptrdiff_t to) {
  for (ptrdiff_t n = from; n < to; n++) {
    const uint8_t* codes = g.codes + bytesOf<bits>(n * g.K);
    const uint16_t* scales = g.scales + n * g.K / kBlock;
    float results[kMostRows];
    ptrdiff_t m = 0;
    for (; m + 4 <= g.M; m += 4) dots<bits, 4>(g.a + m * g.K, g.K, codes, scales, results + m);
    if (g.M - m == 3) dots<bits, 3>(g.a + m * g.K, g.K, codes, scales, results + m);
    if (g.M - m == 2) dots<bits, 2>(g.a + m * g.K, g.K, codes, scales, results + m);
    if (g.M - m == 1) dots<bits, 1>(g.a + m * g.K, g.K, codes, scales, results + m);
    for (m = 0; m < g.M; m++) g.out[m * g.N + n] = results[m];
  }
}

template <int bits>
void widenToBf16(const Group& g, uint16_t* out) {
  parallelRange(g.N, 16, [&](ptrdiff_t from, ptrdiff_t to) {
    const ptrdiff_t blocks = g.K / kBlock;
    for (ptrdiff_t i = from * blocks; i < to * blocks; i++) {
      Vf w[kVectors];
      widen<bits>(g.codes + bytesOf<bits>(i * kBlock), loadBf16One(g.scales + i), w);
      for (int v = 0; v < kVectors; v++)
        *(VhAny*)(out + i * kBlock + v * kLanes) = __builtin_convertvector(roundBits((Vu)w[v]) >> 16, Vh);
    }
  });
}

template <int bits>
void runGroups(const Group* groups, ptrdiff_t count) {
  // Rows of weights that a task takes: about 32 KB of codes.
  ptrdiff_t tasks = 0;
  const ptrdiff_t grain = count == 0 ? 1 : 1 + 32768 / bytesOf<bits>(groups[0].K + kBlock);
  const ptrdiff_t perGroup = count == 0 ? 0 : (groups[0].N + grain - 1) / grain;
  ptrdiff_t* few = (ptrdiff_t*)sharedScratch(3, (size_t)(count + 1) * sizeof(ptrdiff_t));
  ptrdiff_t fewCount = 0;
  for (ptrdiff_t i = 0; i < count; i++)
    if (groups[i].M > 0 && groups[i].M <= kMostRows) few[fewCount++] = i;
  tasks = fewCount * perGroup;
  parallelFor(tasks, [&](ptrdiff_t task) {
    const Group& g = groups[few[task / perGroup]];
    const ptrdiff_t from = task % perGroup * grain;
    fewRows<bits>(g, from, from + grain < g.N ? from + grain : g.N);
  });
  for (ptrdiff_t i = 0; i < count; i++) {
    const Group& g = groups[i];
    if (g.M <= kMostRows) continue;
    uint16_t* w = (uint16_t*)sharedScratch(4, (size_t)(g.N * g.K) * 2);
    widenToBf16<bits>(g, w);
    multiplyRows(g.out, g.a, w, g.M, g.N, g.K);
  }
}

/** out, a, codes, scales, offsets (null: one group of J rows), J, E, N, K, bits */
double quantisedMatmul(const Arg* x) {
  const int32_t* offsets = x[4].data ? x[4].i32() : nullptr;
  const ptrdiff_t J = x[5].size(), E = x[6].size(), N = x[7].size(), K = x[8].size();
  const int bits = x[9].count();
  // Activations are rounded to bf16, as every product with bf16 weights rounds them.
  float* a = (float*)sharedScratch(5, (size_t)(J * K + 64) * 4);
  for (ptrdiff_t i = 0; i < J * K; i++) a[i] = roundToBf16(x[1].f32()[i]);
  Group* groups = (Group*)sharedScratch(6, (size_t)(E + 1) * sizeof(Group));
  for (ptrdiff_t e = 0; e < E; e++) {
    const ptrdiff_t from = offsets ? offsets[e] : 0, rows = offsets ? offsets[e + 1] - from : J;
    const ptrdiff_t bytes = bits == 8 ? N * K : N * K / 2;
    groups[e] = {x[0].f32() + from * N, a + from * K, x[2].u8() + e * bytes, x[3].bf16() + e * N * K / kBlock, rows, N, K};
  }
  if (N == 0 || K == 0) {
    memset(x[0].data, 0, (size_t)(J * N) * 4);
    return 0;
  }
  if (bits == 8) runGroups<8>(groups, E);
  else runGroups<4>(groups, E);
  return 0;
}

/** codes, scales, x, n, bits: block by block. */
double quantise(const Arg* args) {
  uint8_t* codes = args[0].u8();
  uint16_t* scales = args[1].bf16();
  const float* x = args[2].f32();
  const int bits = args[4].count();
  parallelRange(args[3].size() / kBlock, 1024, [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t i = from; i < to; i++) {
      const float* block = x + i * kBlock;
      float most = 0;
      for (int j = 0; j < kBlock; j++)
        if (__builtin_fabsf(block[j]) > __builtin_fabsf(most)) most = block[j];
      // 4 bits reach from −8 to 7: the scale's sign is such that the largest number becomes −8.
      const float scale = roundToBf16(bits == 8 ? __builtin_fabsf(most) / 127 : most / -8);
      scales[i] = (uint16_t)(bitsOf(scale) >> 16);
      const float inverse = scale == 0 ? 0 : 1 / scale;
      int q[kBlock];
      for (int j = 0; j < kBlock; j++) {
        const int limit = bits == 8 ? 127 : 7;
        const int code = (int)__builtin_floorf(block[j] * inverse + 0.5f);
        q[j] = code > limit ? limit : code < (bits == 8 ? -127 : -8) ? (bits == 8 ? -127 : -8) : code;
      }
      if (bits == 8)
        for (int j = 0; j < kBlock; j++) codes[i * kBlock + j] = (uint8_t)(int8_t)q[j];
      else
        for (int j = 0; j < kBlock / 2; j++) codes[i * kBlock / 2 + j] = (uint8_t)((q[j] + 8) | (q[j + kBlock / 2] + 8) << 4);
    }
  });
  return 0;
}

}  // namespace

extern const Entry quantisedFamily[] = {{"quantisedMatmul", quantisedMatmul}, {"quantise", quantise}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
