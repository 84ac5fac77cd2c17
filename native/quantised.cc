// Products with weights in 8 or 4 bits (panels of 16 rows, blocks of 32 along k) and activations rounded to 8 bits in blocks of 32.
// A block's sums are whole numbers, exact on every instruction set; only the sum over blocks is in f32.
#include "args.h"
#include "pool.h"
#include "vec.h"

namespace SHOAL_ISA {
namespace {

constexpr int kBlock = 32;               // numbers of k that share a scale
constexpr int kPanel = 16;               // rows of a panel
constexpr int kQuads = kBlock / 4;       // a quad is 4 numbers of k: 4 bytes of each row stand together
constexpr int kParts = kPanel / kLanes;  // vectors of sums of a panel
constexpr int kMostRows = 4;             // rows of activations that share a block's weights in registers

template <int bits>
constexpr ptrdiff_t bytesOf(ptrdiff_t weights) { return bits == 8 ? weights : weights / 2; }

/** How much too large codes are stored: sums begin at minus that much times the sum of the activations. */
template <int bits>
constexpr int kOffset = bits == 8 ? 128 : 8;

typedef Vu Codes;  // the codes of a quad, 4 bytes for each row of a part

SHOAL_INLINE Codes loadCodes(const uint8_t* p) { return *(const VuAny*)p; }

/** The codes of all quads of one part of a block. */
template <int bits>
SHOAL_INLINE void blockCodes(const uint8_t* block, int part, Codes w[kQuads]) {
  const uint8_t* from = block + part * kLanes * 4;
#pragma GCC unroll 8
  for (int q = 0; q < kQuads; q++) {
    if (bits == 8) {
      w[q] = loadCodes(from + q * kPanel * 4);
    } else if (q < kQuads / 2) {
      // Byte j of a quad holds number j of k in its low half, number j + 16 in its high half.
      const Codes both = loadCodes(from + q * kPanel * 4), low = Codes{} + 0x0f0f0f0fu;
      w[q] = both & low;
      w[q + kQuads / 2] = (both >> 4) & low;
    }
  }
}

/** start + Σ over the block of code · a, for each row of a part. `a` are the block's 32 rounded activations. */
template <int bits>
SHOAL_INLINE Vi blockSums(const Codes w[kQuads], const int8_t* a, int32_t start) {
  typedef int32_t Quad __attribute__((may_alias));
  const Quad* quads = (const Quad*)a;
#if SHOAL_VECTOR_BYTES == 64
  __m512i sum = _mm512_set1_epi32(start);
#pragma GCC unroll 8
  for (int q = 0; q < kQuads; q++) sum = _mm512_dpbusd_epi32(sum, (__m512i)w[q], _mm512_set1_epi32(quads[q]));
  return (Vi)sum;
#elif SHOAL_VECTOR_BYTES == 32
  const __m256i ones = _mm256_set1_epi16(1);
  if (bits == 4) {
    // 8 pairs of products of at most 15 · 127 stay below 2¹⁵.
    __m256i pairs = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int q = 0; q < kQuads; q++) pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16((__m256i)w[q], _mm256_set1_epi32(quads[q])));
    return (Vi)_mm256_add_epi32(_mm256_set1_epi32(start), _mm256_madd_epi16(pairs, ones));
  }
  // An unsigned code times an activation, twice, would pass 2¹⁵: the signed code's magnitude times the activation with its sign does not.
  __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int q = 0; q < kQuads; q++) {
    const __m256i code = _mm256_xor_si256((__m256i)w[q], _mm256_set1_epi8((char)0x80));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(_mm256_set1_epi32(quads[q]), code));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
  }
  return (Vi)sum;
#else
  Vi sum = Vi{} + start;
  for (int q = 0; q < kQuads; q++) {
    const Vi codes = (Vi)w[q], low = Vi{} + 255;
    sum += (codes & low) * (int32_t)a[q * 4] + ((codes >> 8) & low) * (int32_t)a[q * 4 + 1];
    sum += ((codes >> 16) & low) * (int32_t)a[q * 4 + 2] + (Vi)(w[q] >> 24) * (int32_t)a[q * 4 + 3];
  }
  return sum;
#endif
}

SHOAL_INLINE Vf toFloat(Vi x) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vf)_mm512_cvtepi32_ps((__m512i)x);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vf)_mm256_cvtepi32_ps((__m256i)x);
#else
  return __builtin_convertvector(x, Vf);
#endif
}

/** To the nearest whole number, ties to even. */
SHOAL_INLINE Vi nearest(Vf x) {
#if SHOAL_VECTOR_BYTES == 64
  return (Vi)_mm512_cvtps_epi32((__m512)x);
#elif SHOAL_VECTOR_BYTES == 32
  return (Vi)_mm256_cvtps_epi32((__m256)x);
#else
  Vi whole;
  for (int lane = 0; lane < kLanes; lane++) whole[lane] = (int32_t)__builtin_lrintf(x[lane]);
  return whole;
#endif
}

/** Rows of activations in 8 bits: codes [rows][K], and for each block its scale and what sums over it begin with. */
struct Activations {
  const int8_t* codes;
  const float* scales;
  const int32_t* starts;
};

template <int bits>
struct Group {
  float* out;
  Activations a;
  const uint8_t* codes;
  const uint16_t* scales;
  ptrdiff_t M, N, K;
};

/** out of `M` rows from `row` on with one panel. A row's sum is formed in the same order whatever M is. */
template <int bits, int M>
SHOAL_INLINE void panelRows(const Group<bits>& g, ptrdiff_t panel, ptrdiff_t row) {
  const ptrdiff_t blocks = g.K / kBlock;
  const uint8_t* codes = g.codes + bytesOf<bits>(panel * kPanel * g.K);
  const uint16_t* scales = g.scales + panel * kPanel * blocks;
  const int8_t* a = g.a.codes + row * g.K;
  const float* aScales = g.a.scales + row * blocks;
  const int32_t* starts = g.a.starts + row * blocks;
  Vf sum[M][kParts] = {};
  for (ptrdiff_t b = 0; b < blocks; b++) {
    const uint8_t* block = codes + b * bytesOf<bits>(kPanel * kBlock);
    for (int part = 0; part < kParts; part++) {
      Codes w[kQuads];
      blockCodes<bits>(block, part, w);
      const Vf scale = loadBf16(scales + b * kPanel + part * kLanes);
#pragma GCC unroll 4
      for (int m = 0; m < M; m++) {
        const Vi sums = blockSums<bits>(w, a + m * g.K + b * kBlock, bits == 8 && SHOAL_VECTOR_BYTES == 32 ? 0 : starts[m * blocks + b]);
        sum[m][part] = sum[m][part] + toFloat(sums) * (scale * splat(aScales[m * blocks + b]));
      }
    }
  }
  for (int m = 0; m < M; m++)
    for (int part = 0; part < kParts; part++) store(g.out + (row + m) * g.N + panel * kPanel + part * kLanes, sum[m][part]);
}

constexpr ptrdiff_t kRowsAtOnce = 32;  // rows whose codes stay in the nearest cache while a task's panels meet them

template <int bits>
void panels(const Group<bits>& g, ptrdiff_t from, ptrdiff_t to) {
  for (ptrdiff_t first = 0; first < g.M; first += kRowsAtOnce) {
    const ptrdiff_t end = first + kRowsAtOnce < g.M ? first + kRowsAtOnce : g.M;
    for (ptrdiff_t panel = from; panel < to; panel++) {
      ptrdiff_t m = first;
      for (; m + kMostRows <= end; m += kMostRows) panelRows<bits, kMostRows>(g, panel, m);
      if (end - m == 3) panelRows<bits, 3>(g, panel, m);
      if (end - m == 2) panelRows<bits, 2>(g, panel, m);
      if (end - m == 1) panelRows<bits, 1>(g, panel, m);
    }
  }
}

/** Activations, block by block: scale = largest / 127, codes to the nearest (ties to even). */
template <int bits>
Activations roundActivations(const float* x, ptrdiff_t J, ptrdiff_t K) {
  const ptrdiff_t blocks = J * K / kBlock;
  float* scales = (float*)sharedScratch(5, (size_t)(blocks + 16) * 8 + (size_t)(J * K + 64));
  int32_t* starts = (int32_t*)(scales + blocks);
  int8_t* codes = (int8_t*)(starts + blocks);
  parallelRange(blocks, 512, [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t b = from; b < to; b++) {
      const float* block = x + b * kBlock;
      Vf most = {};
      for (int v = 0; v < kBlock; v += kLanes) most = max(most, max(load(block + v), -load(block + v)));
      const float scale = lanesMax(most) / 127;
      const float inverse = scale == 0 ? 0 : 1 / scale;
      int32_t total = 0;
      for (int v = 0; v < kBlock; v += kLanes) {
        const Vi rounded = nearest(load(block + v) * splat(inverse));
        for (int lane = 0; lane < kLanes; lane++) {
          codes[b * kBlock + v + lane] = (int8_t)rounded[lane];
          total += rounded[lane];
        }
      }
      scales[b] = scale;
      starts[b] = -kOffset<bits> * total;
    }
  });
  return {codes, scales, starts};
}

template <int bits>
double product(const Arg* x) {
  const int32_t* offsets = x[4].data ? x[4].i32() : nullptr;
  const ptrdiff_t J = x[5].size(), E = x[6].size(), N = x[7].size(), K = x[8].size();
  if (N == 0 || K == 0) {
    memset(x[0].data, 0, (size_t)(J * N) * 4);
    return 0;
  }
  const Activations a = roundActivations<bits>(x[1].f32(), J, K);
  Group<bits>* groups = (Group<bits>*)sharedScratch(6, (size_t)(E + 1) * sizeof(Group<bits>));
  ptrdiff_t count = 0;
  for (ptrdiff_t e = 0; e < E; e++) {
    const ptrdiff_t from = offsets ? offsets[e] : 0, rows = offsets ? offsets[e + 1] - from : J;
    if (rows == 0) continue;
    const ptrdiff_t first = from * K / kBlock;
    groups[count++] = {x[0].f32() + from * N, {a.codes + from * K, a.scales + first, a.starts + first},
                       x[2].u8() + e * bytesOf<bits>(N * K), x[3].bf16() + e * N * K / kBlock, rows, N, K};
  }
  // A task takes about 32 KB of codes, all groups in one go of the threads.
  const ptrdiff_t ofGroup = N / kPanel, grain = 1 + 32768 / bytesOf<bits>(kPanel * K), perGroup = (ofGroup + grain - 1) / grain;
  parallelFor(count * perGroup, [&](ptrdiff_t task) {
    const ptrdiff_t from = task % perGroup * grain;
    panels<bits>(groups[task / perGroup], from, from + grain < ofGroup ? from + grain : ofGroup);
  });
  return 0;
}

/** out, a, codes, scales, offsets (null: one group of J rows), J, E, N, K, bits */
double quantisedMatmul(const Arg* x) { return x[9].count() == 8 ? product<8>(x) : product<4>(x); }

/** codes, scales, x, N, K, bits */
double quantise(const Arg* args) {
  uint8_t* codes = args[0].u8();
  uint16_t* scales = args[1].bf16();
  const float* x = args[2].f32();
  const ptrdiff_t K = args[4].size(), blocks = K / kBlock;
  const int bits = args[5].count(), least = bits == 8 ? -127 : -8, most = bits == 8 ? 127 : 7;
  parallelFor(args[3].size() / kPanel * blocks, [&](ptrdiff_t task) {
    uint8_t* to = codes + task * kPanel * kBlock * bits / 8;
    for (int r = 0; r < kPanel; r++) {
      const float* block = x + (task / blocks * kPanel + r) * K + task % blocks * kBlock;
      float largest = 0;
      for (int j = 0; j < kBlock; j++)
        if (__builtin_fabsf(block[j]) > __builtin_fabsf(largest)) largest = block[j];
      // 4 bits reach from −8 to 7: the scale's sign is such that the largest number becomes −8.
      const float scale = roundToBf16(bits == 8 ? __builtin_fabsf(largest) / 127 : largest / -8);
      scales[task * kPanel + r] = (uint16_t)(bitsOf(scale) >> 16);
      const float inverse = scale == 0 ? 0 : 1 / scale;
      uint8_t q[kBlock];
      for (int j = 0; j < kBlock; j++) {
        const int code = (int)__builtin_floorf(block[j] * inverse + 0.5f);
        q[j] = (uint8_t)((code > most ? most : code < least ? least : code) + (bits == 8 ? 128 : 8));
      }
      for (int j = 0; j < kBlock * bits / 8; j++)
        to[(j / 4 * kPanel + r) * 4 + j % 4] = bits == 8 ? q[j] : (uint8_t)(q[j] | q[j + kBlock / 2] << 4);
    }
  });
  return 0;
}

}  // namespace

extern const Entry quantisedFamily[] = {{"quantisedMatmul", quantisedMatmul}, {"quantise", quantise}, {nullptr, nullptr}};

}  // namespace SHOAL_ISA
