// Sweeps over flat buffers: addition, conversion, sums, AdamW, FP8 blocks.
#include <math.h>

#include "args.h"
#include "pool.h"
#include "vec.h"

namespace SHOAL_ISA {
namespace {

constexpr ptrdiff_t kGrain = 1 << 15;

/** out, a, b, n, scaleA, scaleB */
double add(const Arg* x) {
  float* out = x[0].f32();
  const float *a = x[1].f32(), *b = x[2].f32();
  const float scaleA = x[4].real(), scaleB = x[5].real();
  parallelRange(x[3].size(), kGrain, [&](ptrdiff_t from, ptrdiff_t to) {
    ptrdiff_t i = from;
    for (; i + kLanes <= to; i += kLanes) store(out + i, load(a + i) * splat(scaleA) + load(b + i) * splat(scaleB));
    for (; i < to; i++) out[i] = a[i] * scaleA + b[i] * scaleB;
  });
  return 0;
}

/** x, n */
double zero(const Arg* args) {
  float* x = args[0].f32();
  parallelRange(args[1].size(), 1 << 18, [&](ptrdiff_t from, ptrdiff_t to) {
    for (; from < to && (uintptr_t)(x + from) % SHOAL_VECTOR_BYTES; from++) x[from] = 0;
    for (; from + kLanes <= to; from += kLanes) storePast(x + from, Vf{});
    for (; from < to; from++) x[from] = 0;
    storedPast();
  });
  return 0;
}

/** x, n. Blocks of a fixed size are summed in float64 lanes, then the blocks in order. */
double sumSquares(const Arg* args) {
  const float* x = args[0].f32();
  const ptrdiff_t n = args[1].size(), blocks = (n + kGrain - 1) / kGrain;
  double* sums = (double*)sharedScratch(3, (size_t)(blocks + 1) * 8);
  parallelFor(blocks, [&](ptrdiff_t block) {
    const ptrdiff_t from = block * kGrain, to = from + kGrain < n ? from + kGrain : n;
    double lanes[16] = {};
    ptrdiff_t i = from;
    for (; i + 16 <= to; i += 16)
      for (int l = 0; l < 16; l++) lanes[l] += (double)x[i + l] * x[i + l];
    for (; i < to; i++) lanes[0] += (double)x[i] * x[i];
    double sum = 0;
    for (double lane : lanes) sum += lane;
    sums[block] = sum;
  });
  double total = 0;
  for (ptrdiff_t block = 0; block < blocks; block++) total += sums[block];
  return total;
}

/** w, g, m, v, n, lr, beta1, beta2, eps, decay, correction1, correction2, gradScale */
double adamw(const Arg* x) {
  float *w = x[0].f32(), *m = x[2].f32(), *v = x[3].f32();
  const float* g = x[1].f32();
  const float beta1 = x[6].real(), beta2 = x[7].real(), eps = x[8].real(), scale = x[12].real();
  const float rest1 = (float)(1 - x[6].number), rest2 = (float)(1 - x[7].number);
  const float keep = (float)(1 - x[5].number * x[9].number);
  const float step = (float)(x[5].number / x[10].number), inverse2 = (float)(1 / x[11].number);
  parallelRange(x[4].size(), kGrain, [&](ptrdiff_t from, ptrdiff_t to) {
    ptrdiff_t i = from;
    for (; i + kLanes <= to; i += kLanes) {
      const Vf gradient = load(g + i) * scale;
      const Vf mi = beta1 * load(m + i) + rest1 * gradient;
      const Vf vi = beta2 * load(v + i) + rest2 * gradient * gradient;
      store(m + i, mi);
      store(v + i, vi);
      store(w + i, load(w + i) * keep - step * mi / (squareRoot(vi * inverse2) + eps));
    }
    for (; i < to; i++) {
      const float gradient = g[i] * scale;
      const float mi = beta1 * m[i] + rest1 * gradient;
      const float vi = beta2 * v[i] + rest2 * gradient * gradient;
      m[i] = mi;
      v[i] = vi;
      w[i] = w[i] * keep - step * mi / (sqrtf(vi * inverse2) + eps);
    }
  });
  return 0;
}

uint16_t toBf16(float x) {
  const uint32_t bits = bitsOf(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((bits >> 16) | 0x40);
  return (uint16_t)(roundBits(bits) >> 16);
}

float fromF8(uint8_t code) {
  const int exponent = (code >> 3) & 15, mantissa = code & 7;
  if ((code & 0x7f) == 0x7f) return NAN;
  const float magnitude = exponent == 0 ? (float)mantissa * 0.001953125f : fromBits((uint32_t)((exponent + 120) << 23 | mantissa << 20));
  return code & 0x80 ? -magnitude : magnitude;
}

/** Round to nearest even, saturating at ±448; NaN stays NaN. */
uint8_t toF8(float x) {
  const uint32_t bits = bitsOf(x), magnitude = bits & 0x7fffffffu;
  const uint8_t sign = (uint8_t)(bits >> 24) & 0x80;
  if (magnitude > 0x7f800000u) return 0x7f;
  if (magnitude >= 0x43e00000u) return sign | 0x7e;  // 448
  if (magnitude < 0x3c800000u) {
    // Below 2^-6: steps of 2^-9. Adding 2^14 leaves the rounded count of steps in the low bits.
    return (uint8_t)(sign | (bitsOf(fromBits(magnitude) + 16384.0f) & 0xff));
  }
  const uint32_t rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
  const uint32_t code = (rounded >> 20) - (120u << 3);
  return (uint8_t)(sign | (code > 0x7e ? 0x7e : code));
}

float readOne(const Arg& x, ptrdiff_t i) {
  return x.type == kF32 ? x.f32()[i] : x.type == kBf16 ? loadBf16One(x.bf16() + i) : fromF8(x.u8()[i]);
}
void writeOne(const Arg& out, ptrdiff_t i, float value) {
  if (out.type == kF32) out.f32()[i] = value;
  else if (out.type == kBf16) out.bf16()[i] = toBf16(value);
  else out.u8()[i] = toF8(value);
}

/** out, x, n */
double convert(const Arg* args) {
  const Arg &out = args[0], &x = args[1];
  parallelRange(args[2].size(), kGrain, [&](ptrdiff_t from, ptrdiff_t to) {
    if (out.type == kF32 && x.type == kF32) memcpy(out.f32() + from, x.f32() + from, (size_t)(to - from) * 4);
    else if (out.type == kF32 && x.type == kBf16) for (ptrdiff_t i = from; i < to; i++) out.f32()[i] = loadBf16One(x.bf16() + i);
    else if (out.type == kBf16 && x.type == kF32) for (ptrdiff_t i = from; i < to; i++) out.bf16()[i] = toBf16(x.f32()[i]);
    else for (ptrdiff_t i = from; i < to; i++) writeOne(out, i, readOne(x, i));
  });
  return 0;
}

constexpr ptrdiff_t kBlock = 128;

template <class Body>
void forBlocks(ptrdiff_t R, ptrdiff_t C, const Body& body) {
  const ptrdiff_t across = (C + kBlock - 1) / kBlock, down = (R + kBlock - 1) / kBlock;
  parallelFor(across * down, [&](ptrdiff_t block) {
    const ptrdiff_t r = block / across * kBlock, c = block % across * kBlock;
    body(r, r + kBlock < R ? r + kBlock : R, c, c + kBlock < C ? c + kBlock : C, block);
  });
}

/** codes, factors, x, R, C */
double quantiseFp8(const Arg* args) {
  uint8_t* codes = args[0].u8();
  float* factors = args[1].f32();
  const float* x = args[2].f32();
  const ptrdiff_t C = args[4].size();
  forBlocks(args[3].size(), C, [&](ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t c0, ptrdiff_t c1, ptrdiff_t block) {
    float largest = 0;
    for (ptrdiff_t r = r0; r < r1; r++)
      for (ptrdiff_t c = c0; c < c1; c++) largest = fabsf(x[r * C + c]) > largest ? fabsf(x[r * C + c]) : largest;
    const float factor = largest == 0 ? 1 : (float)((double)largest / 448.0);
    factors[block] = factor;
    for (ptrdiff_t r = r0; r < r1; r++)
      for (ptrdiff_t c = c0; c < c1; c++) codes[r * C + c] = toF8(x[r * C + c] / factor);
  });
  return 0;
}

/** codes, factors, out, R, C */
double dequantiseFp8(const Arg* args) {
  const uint8_t* codes = args[0].u8();
  const float* factors = args[1].f32();
  const ptrdiff_t C = args[4].size();
  forBlocks(args[3].size(), C, [&](ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t c0, ptrdiff_t c1, ptrdiff_t block) {
    for (ptrdiff_t r = r0; r < r1; r++)
      for (ptrdiff_t c = c0; c < c1; c++) writeOne(args[2], r * C + c, fromF8(codes[r * C + c]) * factors[block]);
  });
  return 0;
}

}  // namespace

extern const Entry elementwiseFamily[] = {
    {"add", add}, {"zero", zero},         {"sumSquares", sumSquares},   {"adamw", adamw},
    {"convert", convert}, {"quantiseFp8", quantiseFp8}, {"dequantiseFp8", dequantiseFp8},
    {nullptr, nullptr},
};

}  // namespace SHOAL_ISA
