// The attention half of a layer for a few tokens over the latent cache, as one kernel: norm, projections, rotation, the cache's new rows,
// attention in the absorbed form, and the residual stream. For a team of threads, which meet four times.
#include "fused/absorb.h"
#include "fused/contract.h"
#include "attention/cache-row.h"
#include "attention/latent-tile.h"
#include "fused/rows.h"

namespace SHOAL_ISA {
namespace {

/** Rotates P numbers in place by the angles of one position. */
void rotate(float* x, const float* cosines, const float* sines, ptrdiff_t P, bool interleaved) {
  const ptrdiff_t half = P / 2, step = interleaved ? 2 : 1, second = interleaved ? 1 : half;
  for (ptrdiff_t i = 0; i < half; i++) {
    float *a = x + i * step, *b = a + second;
    const float first = *a, other = *b;
    *a = first * cosines[i] - other * sines[i];
    *b = first * sines[i] + other * cosines[i];
  }
}

}  // namespace

void attentionStep(const call::AttentionStep& p) {
  float* out = p.out;
  const float *x = p.x, *cosines = p.cos, *sines = p.sin;
  const ConstBuffer& kvB = p.kvB;
  const int32_t *positions = p.positions, *rowStart = p.rowStart, *rowCount = p.rowCount;
  const ptrdiff_t T = p.T, D = p.D, rank = p.rank, H = p.H, N = p.N, P = p.P, V = p.V, R = p.R;
  const double eps = p.eps;
  const float scale = (float)p.scale;
  const bool interleaved = p.interleaved;
  const Matrix qA = matrixOf(p.qA, D), q = matrixOf(p.q, rank ? rank : D), kvA = matrixOf(p.kvA, D), o = matrixOf(p.o, H * V);
  const CacheWriter newRows{p.cache, p.cacheScales, R, P};
  const CacheRows cache{{p.cache.data, p.cache.dtype}, p.cacheScales, R, P};
  const Format kvBFormat = kvB.isBf16() ? kFormatBf16 : kFormatF32;
  const ptrdiff_t qWidth = H * (N + P), perHead = (N + V) * R;

  Rows inputs, qInputs, latents, heads;
  inputs.want(kvA);
  if (rank) inputs.want(qA), qInputs.want(q);
  else inputs.want(q);
  heads.want(o);
  latents.want({kvBFormat, nullptr, nullptr, R});
  const ptrdiff_t padded = cache.padded();
  const bool few = isFew(T);
  Scratch shared(Arena::kShared), own;
  float *qLow = shared.take<float>(T * rank), *qRow = shared.take<float>(T * qWidth), *latent = shared.take<float>(T * (R + P));
  float *queries = shared.take<float>(T * H * padded), *attended = shared.take<float>(T * H * V);
  latents.takeFrom(shared, T * H);
  Scratch& each = few ? own : shared;
  inputs.takeFrom(each, T);
  if (rank) qInputs.takeFrom(each, T);
  heads.takeFrom(each, T);

  forRows(T, [&](ptrdiff_t t) {
    Scratch memory;
    float* row = memory.take<float>(D);
    normRow(x + t * D, p.norm, D, eps, row);
    inputs.set(t, 0, row, D);
  });
  const Projection first[] = {{&kvA, &inputs, R + P}, {rank ? &qA : &q, &inputs, rank ? rank : qWidth}};
  runProjections(first, 2, T, [&](int projection, ptrdiff_t t, ptrdiff_t n, int columns, const float* numbers) {
    float* to = projection == 0 ? latent + t * (R + P) : rank ? qLow + t * rank : qRow + t * qWidth;
    copyBytes(to + n, numbers, columns * 4);
  });

  forRows(T, [&](ptrdiff_t t) {
    if (!few || member() == 0) {
      Scratch memory;
      float* row = memory.take<float>(R + P);
      copyBytes(row, latent + t * (R + P), (R + P) * 4);
      const ptrdiff_t angle = positions[t] * (P / 2);
      rotate(row + R, cosines + angle, sines + angle, P, interleaved);
      normRow(row, p.kvANorm, R, p.latentEps, row);
      newRows.write(rowStart[t] + rowCount[t] - 1, row, row + R);
    }
    if (!rank) return;
    Scratch memory;
    float* row = memory.take<float>(rank);
    normRow(qLow + t * rank, p.qANorm, rank, p.latentEps, row);
    qInputs.set(t, 0, row, rank);
  });
  const Projection second{&q, &qInputs, qWidth};
  if (rank)
    runProjections(&second, 1, T, [&](int, ptrdiff_t t, ptrdiff_t n, int columns, const float* numbers) {
      copyBytes(qRow + t * qWidth + n, numbers, columns * 4);
    });
  else meet();  // the cache's new rows are there

  // Head by head, q_nope · W_UK: what kv_b_proj makes of the latents into keys, moved to the query. Beside it q_rope, rotated.
  const auto absorbHead = [&](ptrdiff_t h, ptrdiff_t from, ptrdiff_t end) {
    for (ptrdiff_t t0 = from; t0 < end; t0 += kRowsAtOnce) {
      const int M = (int)(end - t0 < kRowsAtOnce ? end - t0 : kRowsAtOnce);
      Absorbed a{{}, {}, N, R};
      for (int m = 0; m < M; m++) {
        const ptrdiff_t t = t0 + m, angle = positions[t] * (P / 2);
        float *own = qRow + t * qWidth + h * (N + P), *query = queries + (t * H + h) * padded;
        a.q[m] = own, a.out[m] = query;
        rotate(own + N, cosines + angle, sines + angle, P, interleaved);
        copyBytes(query + R, own + N, P * 4);
        clearBytes(query + R + P, (padded - R - P) * 4);
        if (kvB.isBf16())
          for (ptrdiff_t n = 0; n < N; n++) own[n] = roundToBf16(own[n]);
      }
      // The next head's matrix begins where this head's ends.
      if (kvB.isBf16()) absorb(M, a, kvB.bf16() + h * perHead, kvB.bf16() + (h + 1) * perHead);
      else absorb(M, a, kvB.f32() + h * perHead, kvB.f32() + (h + 1) * perHead);
    }
  };
  const auto attendHeads = [&](ptrdiff_t t, ptrdiff_t h0, ptrdiff_t h1) {
    Scratch memory;
    Tile tile = tileIn(memory.take<float>(tileNumbers(cache, h1 - h0)), cache, h1 - h0, scale);
    tile.q = queries + (t * H + h0) * padded;
    attend(tile, cache, rowStart[t], rowCount[t], h1 - h0);
    for (ptrdiff_t h = h0; h < h1; h++) latents.set(t * H + h, 0, tile.sums + (h - h0) * tile.columns, R);
  };
  // Head by head, the sums of latents · W_UV: values.
  const auto expandHead = [&](ptrdiff_t h, ptrdiff_t from, ptrdiff_t end) {
    const ptrdiff_t at = h * perHead + N * R;
    const Matrix values{kvBFormat, kvB.isBf16() ? (const void*)(kvB.bf16() + at) : (const void*)(kvB.f32() + at), nullptr, R};
    for (ptrdiff_t t = from; t < end; t += kRowsAtOnce) {
      const ptrdiff_t rows[kRowsAtOnce] = {t * H + h, (t + 1) * H + h, (t + 2) * H + h, (t + 3) * H + h};
      multiply(values, 0, latents, rows, {attended + rows[0] * V, end - t < kRowsAtOnce ? end - t : kRowsAtOnce, V, H * V});
    }
  };
  if (few) {
    // A task is a few heads from end to end.
    const ptrdiff_t share = (H + threads() - 1) / threads(), together = share < 2 * kHeads ? share : 2 * kHeads;
    parallelRange(H, together, [&](ptrdiff_t h0, ptrdiff_t h1) {
      for (ptrdiff_t h = h0; h < h1; h++) absorbHead(h, 0, T);
      for (ptrdiff_t t = 0; t < T; t++) attendHeads(t, h0, h1);
      for (ptrdiff_t h = h0; h < h1; h++) expandHead(h, 0, T);
    });
  } else {
    // kv_b_proj is read once for all tokens, or for some of them where heads are too few to share out, and a sequence's cache once for all heads.
    const ptrdiff_t shares = 4 * threads(), parts = H < shares ? (shares + H - 1) / H : 1;
    const ptrdiff_t rows = (T + parts * kRowsAtOnce - 1) / (parts * kRowsAtOnce) * kRowsAtOnce;
    const auto forHeads = [&](const auto& work) {
      parallelFor(H * parts, [&](ptrdiff_t task) {
        const ptrdiff_t from = task % parts * rows, end = from + rows < T ? from + rows : T;
        work(task / parts, from, end);
      });
    };
    forHeads(absorbHead);
    parallelFor(T, [&](ptrdiff_t t) { attendHeads(t, 0, H); });
    forHeads(expandHead);
  }
  forRows(T, [&](ptrdiff_t t) { heads.set(t, 0, attended + t * H * V, H * V); });
  const Projection last{&o, &heads, D};
  runProjections(&last, 1, T, [&](int, ptrdiff_t t, ptrdiff_t n, int columns, const float* numbers) {
    for (int c = 0; c < columns; c++) out[t * D + n + c] = x[t * D + n + c] + numbers[c];
  });
}

}  // namespace SHOAL_ISA
