// What a kernel is to the addon: a function of arguments that came from JavaScript, each a typed array or a number.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct Arg {
  void* data;     // a typed array's memory; null for null
  size_t length;  // in elements
  int type;       // a Type, or kNumber
  double number;  // a number or boolean

  float* f32() const { return (float*)data; }
  uint16_t* bf16() const { return (uint16_t*)data; }
  int32_t* i32() const { return (int32_t*)data; }
  uint8_t* u8() const { return (uint8_t*)data; }
  bool isBf16() const { return type == 1; }
  ptrdiff_t size() const { return (ptrdiff_t)number; }
  int count() const { return (int)number; }
  bool flag() const { return number != 0; }
  float real() const { return (float)number; }
};

enum Type { kF32 = 0, kBf16 = 1, kF8 = 2, kI8 = 3, kI32 = 4, kNumber = 5 };

/** body(data), f32 or bf16 as the data is: what products alone will read may be in bf16. */
template <class Body>
static inline double inItsType(const Arg& x, const Body& body) {
  if (x.isBf16()) body(x.bf16());
  else body(x.f32());
  return 0;
}

/** A kernel returns a number, or 0 where it has none to return. */
typedef double (*Kernel)(const Arg* args);

struct Entry {
  const char* name;
  Kernel kernel;
};

/** A family's kernels, ended by an entry without a name. */
typedef const Entry* Family;
