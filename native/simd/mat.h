// A view of a matrix of numbers in f32.
#pragma once
#include <stddef.h>

/** rows × cols numbers; rows begin `stride` numbers apart. */
struct Mat {
  float* data;
  ptrdiff_t rows, cols, stride;

  float* row(ptrdiff_t r) const { return data + r * stride; }
};
