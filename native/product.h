// A plain product for other kernels of the same instruction set; matmul.cc holds it.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace SHOAL_ISA {

/** out[M,N] = a[M,K] · w[N,K]ᵀ, a rounded to bf16. */
void multiplyRows(float* out, const float* a, const uint16_t* w, ptrdiff_t M, ptrdiff_t N, ptrdiff_t K);

}  // namespace SHOAL_ISA
