// Heads of latent attention in its naive form: where their rows are, and who sees whom.
#pragma once
#include "gemm/gemm.h"
#include "runtime/pool.h"

namespace SHOAL_ISA {

constexpr int roundUp(int x, int to) { return (x + to - 1) / to * to; }

struct Shape {
  const int32_t* segments;
  ptrdiff_t S;
  int H, N, P, V;
  ptrdiff_t ldk;
  float scale;
};

/** One head of one segment, and where its rows are. */
struct Head {
  const float *q, *k, *v, *rope;
  ptrdiff_t qStep, kvStep, ropeStep, qLen, kLen;
};

static Head headOf(const Shape& s, const int32_t* segment, int h, const float* q, const float* kv, const float* rope) {
  const ptrdiff_t qStep = (ptrdiff_t)s.H * (s.N + s.P), kvStep = (ptrdiff_t)s.H * (s.N + s.V);
  Head head;
  head.q = q + segment[0] * qStep + (ptrdiff_t)h * (s.N + s.P);
  head.k = kv + segment[2] * kvStep + (ptrdiff_t)h * (s.N + s.V);
  head.v = head.k + s.N;
  head.rope = rope + segment[2] * s.ldk;
  head.qStep = qStep, head.kvStep = kvStep, head.ropeStep = s.ldk;
  head.qLen = segment[1], head.kLen = segment[3];
  return head;
}

/** How many keys the queries from `query` on, `rows` of them, may see at most. */
static ptrdiff_t keysSeen(const Head& head, ptrdiff_t query, int rows) { return head.kLen - head.qLen + query + rows; }

struct Gradients {
  float *dq, *dk, *dv, *dRope;  // of this head; dRope is the head's own [kLen][P], summed over heads later
  const float *out, *dout, *lse;
  bool fresh;  // dq, dk and dv are overwritten
};

/** into += from, or = where it is fresh; rows of `from` are `fromStride` apart. */
static void addBlock(const Mat& into, const float* from, ptrdiff_t fromStride, bool fresh) {
  for (ptrdiff_t r = 0; r < into.rows; r++, from += fromStride) {
    float* to = into.row(r);
    for (ptrdiff_t c = 0; c < into.cols; c++) to[c] = fresh ? from[c] : to[c] + from[c];
  }
}

}  // namespace SHOAL_ISA
