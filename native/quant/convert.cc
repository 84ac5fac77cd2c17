// Conversions between dtypes, and FP8 blocks.
#include <math.h>

#include "quant/contract.h"
#include "runtime/bytes.h"
#include "runtime/pool.h"
#include "simd/vec.h"

namespace SHOAL_ISA {
namespace {

constexpr ptrdiff_t kGrain = 1 << 15;

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

float readOne(const ConstBuffer& x, ptrdiff_t i) {
  return x.dtype == Dtype::f32 ? x.f32()[i] : x.isBf16() ? loadBf16One(x.bf16() + i) : fromF8(x.f8()[i]);
}
void writeOne(const Buffer& out, ptrdiff_t i, float value) {
  if (out.dtype == Dtype::f32) out.f32()[i] = value;
  else if (out.isBf16()) out.bf16()[i] = toBf16(value);
  else out.f8()[i] = toF8(value);
}

}  // namespace

void convert(const call::Convert& p) {
  const Buffer& out = p.out;
  const ConstBuffer& x = p.x;
  const bool toF32 = out.dtype == Dtype::f32, fromF32 = x.dtype == Dtype::f32;
  parallelRange(p.n, kGrain, [&](ptrdiff_t from, ptrdiff_t to) {
    if (toF32 && fromF32) copyBytes(out.f32() + from, x.f32() + from, (to - from) * 4);
    else if (toF32 && x.isBf16()) for (ptrdiff_t i = from; i < to; i++) out.f32()[i] = loadBf16One(x.bf16() + i);
    else if (out.isBf16() && fromF32) for (ptrdiff_t i = from; i < to; i++) out.bf16()[i] = toBf16(x.f32()[i]);
    else for (ptrdiff_t i = from; i < to; i++) writeOne(out, i, readOne(x, i));
  });
}

namespace {

constexpr ptrdiff_t kBlock = 128;

template <class Body>
void forBlocks(ptrdiff_t R, ptrdiff_t C, const Body& body) {
  const ptrdiff_t across = (C + kBlock - 1) / kBlock, down = (R + kBlock - 1) / kBlock;
  parallelFor(across * down, [&](ptrdiff_t block) {
    const ptrdiff_t r = block / across * kBlock, c = block % across * kBlock;
    body(r, r + kBlock < R ? r + kBlock : R, c, c + kBlock < C ? c + kBlock : C, block);
  });
}

}  // namespace

void quantiseFp8(const call::QuantiseFp8& p) {
  const float* x = p.x;
  const ptrdiff_t C = p.C;
  forBlocks(p.R, C, [&](ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t c0, ptrdiff_t c1, ptrdiff_t block) {
    float largest = 0;
    for (ptrdiff_t r = r0; r < r1; r++)
      for (ptrdiff_t c = c0; c < c1; c++) largest = fabsf(x[r * C + c]) > largest ? fabsf(x[r * C + c]) : largest;
    const float factor = largest == 0 ? 1 : (float)((double)largest / 448.0);
    p.factors[block] = factor;
    for (ptrdiff_t r = r0; r < r1; r++)
      for (ptrdiff_t c = c0; c < c1; c++) p.codes[r * C + c] = toF8(x[r * C + c] / factor);
  });
}

void dequantiseFp8(const call::DequantiseFp8& p) {
  const ptrdiff_t C = p.C;
  forBlocks(p.R, C, [&](ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t c0, ptrdiff_t c1, ptrdiff_t block) {
    for (ptrdiff_t r = r0; r < r1; r++)
      for (ptrdiff_t c = c0; c < c1; c++) writeOne(p.out, r * C + c, fromF8(p.codes[r * C + c]) * p.factors[block]);
  });
}

}  // namespace SHOAL_ISA
