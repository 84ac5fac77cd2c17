// Products with weights in 8 or 4 bits, and how weights are brought into that form.
#include "quant/contract.h"
#include "runtime/arena.h"
#include "runtime/bytes.h"
#include "runtime/pool.h"
#include "quant/quantised.h"

namespace SHOAL_ISA {
namespace {

template <int bits>
struct Group {
  float* out;
  Activations a;
  const uint8_t* codes;
  const uint16_t* scales;
  ptrdiff_t M, N, K;
};

template <int bits, int M>
void groupRows(const Group<bits>& g, ptrdiff_t panel, ptrdiff_t count, ptrdiff_t row) {
  ptrdiff_t rows[M];
  for (int m = 0; m < M; m++) rows[m] = row + m;
  panelsRows<bits, M>(g.codes + bytesOf<bits>(panel * kPanel * g.K), g.scales + panel * kPanel * (g.K / kBlock), count, g.a, rows, g.K, g.out + row * g.N + panel * kPanel, g.N);
}

constexpr ptrdiff_t kCodeRows = 32;  // rows whose codes stay in the nearest cache while a task's panels meet them

template <int bits>
void panels(const Group<bits>& g, ptrdiff_t from, ptrdiff_t to) {
  constexpr ptrdiff_t together = kPanelsAtOnce<kMaxRows>;
  for (ptrdiff_t first = 0; first < g.M; first += kCodeRows) {
    const ptrdiff_t end = first + kCodeRows < g.M ? first + kCodeRows : g.M;
    for (ptrdiff_t panel = from; panel < to; panel += together) {
      const ptrdiff_t count = panel + together < to ? together : to - panel;
      ptrdiff_t m = first;
      for (; m + kMaxRows <= end; m += kMaxRows) groupRows<bits, kMaxRows>(g, panel, count, m);
      if (end - m == 3) groupRows<bits, 3>(g, panel, count, m);
      if (end - m == 2) groupRows<bits, 2>(g, panel, count, m);
      if (end - m == 1) groupRows<bits, 1>(g, panel, count, m);
    }
  }
}

template <int bits>
Activations roundActivations(const float* x, ptrdiff_t J, ptrdiff_t K, Scratch& shared) {
  const ptrdiff_t blocks = J * K / kBlock;
  float* scales = shared.take<float>(blocks);
  int32_t* starts = shared.take<int32_t>(blocks);
  int8_t* codes = shared.take<int8_t>(J * K);
  parallelRange(blocks, 1024, [&](ptrdiff_t from, ptrdiff_t to) {
    for (ptrdiff_t b = from; b < to; b++) starts[b] = -kOffset<bits> * roundBlock(x + b * kBlock, codes + b * kBlock, scales + b);
  });
  return {codes, scales, starts};
}

template <int bits>
void product(const call::QuantisedMatmul& p) {
  const int32_t* offsets = p.offsets;
  const ptrdiff_t J = p.J, E = p.E, N = p.N, K = p.K;
  if (N == 0 || K == 0) {
    clearBytes(p.out, J * N * 4);
    return;
  }
  Scratch shared(Arena::kShared);
  const Activations a = roundActivations<bits>(p.a, J, K, shared);
  Group<bits>* groups = shared.take<Group<bits>>(E);
  ptrdiff_t count = 0;
  for (ptrdiff_t e = 0; e < E; e++) {
    const ptrdiff_t from = offsets ? offsets[e] : 0, rows = offsets ? offsets[e + 1] - from : J;
    if (rows == 0) continue;
    const ptrdiff_t first = from * K / kBlock;
    groups[count++] = {p.out + from * N, {a.codes + from * K, a.scales + first, a.starts + first},
                       (const uint8_t*)p.codes + e * bytesOf<bits>(N * K), p.scales + e * N * K / kBlock, rows, N, K};
  }
  // All groups in one go of the threads. Long tasks: memory is at its fastest in long runs.
  const ptrdiff_t ofGroup = N / kPanel, grain = grainOf(count * ofGroup, bytesOf<bits>(kPanel * K)), perGroup = (ofGroup + grain - 1) / grain;
  parallelFor(count * perGroup, [&](ptrdiff_t task) {
    const ptrdiff_t from = task % perGroup * grain;
    panels<bits>(groups[task / perGroup], from, from + grain < ofGroup ? from + grain : ofGroup);
  });
}

}  // namespace

void quantisedMatmul(const call::QuantisedMatmul& p) {
  if (p.bits == 8) product<8>(p);
  else product<4>(p);
}

namespace {

/** The number that is farthest from 0, the first of several. */
float farthest(const float* block) {
  const float reach = reachOf(block);
  int j = 0;
  while (j < kBlock - 1 && __builtin_fabsf(block[j]) != reach) j++;
  return block[j];
}

}  // namespace

void quantise(const call::Quantise& p) {
  uint8_t* codes = (uint8_t*)p.codes;
  const float* x = p.x;
  const ptrdiff_t K = p.K, blocks = K / kBlock;
  const int bits = (int)p.bits, least = bits == 8 ? -127 : -8, most = bits == 8 ? 127 : 7, offset = bits == 8 ? 128 : 8;
  parallelFor(p.N / kPanel * blocks, [&](ptrdiff_t task) {
    uint8_t* to = codes + task * kPanel * kBlock * bits / 8;
    for (int r = 0; r < kPanel; r++) {
      const float* block = x + (task / blocks * kPanel + r) * K + task % blocks * kBlock;
      const float largest = farthest(block);
      // 4 bits reach from −8 to 7: the scale's sign is such that the largest number becomes −8.
      const float scale = roundToBf16(bits == 8 ? __builtin_fabsf(largest) / 127 : largest / -8);
      p.scales[task * kPanel + r] = (uint16_t)(bitsOf(scale) >> 16);
      const float inverse = scale == 0 ? 0 : 1 / scale;
      int32_t wide[kBlock];
      for (int v = 0; v < kBlock; v += kLanes) {
        // To the nearest, halves up: rounded towards 0, and one down where that went up.
        const Vf x = load(block + v) * splat(inverse) + 0.5f;
        Vi code = __builtin_convertvector(x, Vi);
        code += toFloat(code) > x;
        code = code > most ? Vi{} + most : code < least ? Vi{} + least : code;
        code += offset;
        memcpy(wide + v, &code, sizeof code);
      }
      uint8_t q[kBlock];
      for (int j = 0; j < kBlock; j++) q[j] = (uint8_t)wide[j];
      if (bits == 4)
        for (int j = 0; j < kBlock / 2; j++) q[j] |= (uint8_t)(q[j + kBlock / 2] << 4);
      for (int quad = 0; quad < kBlock * bits / 32; quad++) memcpy(to + (quad * kPanel + r) * 4, q + quad * 4, 4);
    }
  });
}

}  // namespace SHOAL_ISA
