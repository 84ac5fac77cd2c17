// What stands in a kernel's struct (contract.h): buffers of several dtypes, matrices as they are held, and where the addon writes a buffer's address.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum class Dtype : int64_t { f32, bf16, f8e4m3, i8, i32 };

/** True or false, as wide as every other number. */
typedef int64_t Flag;

/** A buffer that is written, in one of several dtypes. */
struct Buffer {
  void* data;  // null where the caller gave none
  Dtype dtype;

  float* f32() const { return (float*)data; }
  uint16_t* bf16() const { return (uint16_t*)data; }
  uint8_t* f8() const { return (uint8_t*)data; }
  int8_t* i8() const { return (int8_t*)data; }
  bool isBf16() const { return dtype == Dtype::bf16; }
};

/** One that is only read. */
struct ConstBuffer {
  const void* data;
  Dtype dtype;

  const float* f32() const { return (const float*)data; }
  const uint16_t* bf16() const { return (const uint16_t*)data; }
  const uint8_t* f8() const { return (const uint8_t*)data; }
  const int8_t* i8() const { return (const int8_t*)data; }
  bool isBf16() const { return dtype == Dtype::bf16; }
};

/** A matrix: numbers in f32 or bf16, or codes (i8) of 8 or 4 bits with their scales. */
struct HeldMatrix {
  ConstBuffer numbers;
  const uint16_t* scales;
  int64_t bits;  // 0 where it is not quantised
};

/** body(data), f32 or bf16 as the data is: what products alone will read may be in bf16. */
template <class AnyBuffer, class Body>
static inline void inItsType(const AnyBuffer& x, const Body& body) {
  if (x.isBf16()) body(x.bf16());
  else body(x.f32());
}

/** Where in a struct a buffer's address goes, and its dtype (−1: it has only one); which dtypes it takes. */
struct BufferPlace {
  int offset, dtypeOffset;
  uint32_t dtypes;
};
constexpr uint32_t takes(Dtype dtype) { return 1u << (int)dtype; }

struct KernelLayout {
  const char *name, *hash;
  size_t bytes;
  int tokensOffset;
  const BufferPlace* buffers;
  size_t bufferCount;
};
