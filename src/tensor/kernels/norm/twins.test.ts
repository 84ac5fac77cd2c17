import fc from "fast-check";
import { it } from "vitest";
import {
  compareTwins,
  describeTwins,
  expectClose,
  expectRounded,
  Operands,
  positiveSize,
  runs,
  size,
  zeros,
} from "../../testing/twins.ts";

const seed = fc.nat(1000);

describeTwins("rmsNorm and its gradient, and rope", (native) => {
  it("rmsNorm and its gradient, inside wider rows", () => {
    fc.assert(
      fc.property(size(70), positiveSize(140), fc.constantFrom(0, 5), seed, (T, D, pad, s) => {
        const o = new Operands(s);
        const ldx = D + pad;
        const [x, w, dy] = [o.f32(T * ldx), o.f32(D), o.f32(T * D)];
        compareTwins(native, 2e-5, (kernels) => {
          const [out, rstd, dx, dw] = [zeros(T * D), zeros(T), zeros(T * ldx).fill(1), zeros(D).fill(1)];
          kernels.rmsNorm({ out, rstd, x, w, T, D, eps: 1e-6, ldx });
          kernels.rmsNormBackward({ dx, dw, dy, x, w, rstd, T, D, ldx, lddx: ldx });
          expectRounded((out) => kernels.rmsNorm({ out, rstd, x, w, T, D, eps: 1e-6, ldx }), T * D);
          return { out, rstd, dx, dw };
        });
      }),
      runs(60),
    );
  });

  it("rope, both pairings, there and back", () => {
    fc.assert(
      fc.property(size(40), positiveSize(4), positiveSize(9), fc.boolean(), seed, (T, H, half, interleaved, s) => {
        const o = new Operands(s);
        const P = half * 2;
        const [headStride, ld] = [P + 3, (P + 3) * H + 1];
        const angles = o.f32(50 * half, 3);
        const shape = {
          positions: o.ids(T, 50),
          cos: angles.map(Math.cos),
          sin: angles.map(Math.sin),
          T,
          H,
          P,
          ld,
          headStride,
          interleaved,
        };
        const start = o.f32(T * ld);
        compareTwins(native, 1e-6, (kernels) => {
          const x = start.slice();
          kernels.rope({ ...shape, x });
          const turned = x.slice();
          kernels.rope({ ...shape, x, inverse: true });
          expectClose(x, start, 1e-5, "back");
          return { turned };
        });
      }),
      runs(60),
    );
  });
});
