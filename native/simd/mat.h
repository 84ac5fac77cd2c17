// A view of a matrix of numbers in f32.
#pragma once
#include <stddef.h>

/** rows × cols numbers; rows begin `stride` numbers apart. Passed by reference: a copy of it costs a microkernel a quarter of its speed. */
struct Mat {
  float* data;
  ptrdiff_t rows, cols, stride;

  float* row(ptrdiff_t r) const { return data + r * stride; }
};
