import fc from "fast-check";
import { expect, it } from "vitest";
import { compareTwins, describeTwins, Operands, reference, runs, size, zeros } from "../../testing/twins.ts";

const seed = fc.nat(1000);

describeTwins("sweeps", (native) => {
  it("adamw, add and sumSquares", () => {
    fc.assert(
      fc.property(fc.oneof(size(129), fc.constantFrom(32767, 32768, 70001)), seed, (n, s) => {
        const o = new Operands(s);
        const [w0, g, m0, v0, b] = [o.f32(n), o.f32(n), o.f32(n), o.f32(n).map(Math.abs), o.f32(n)];
        const expected = reference.sumSquares({ x: g, n });
        expect(Math.abs(native.sumSquares({ x: g, n }) - expected)).toBeLessThanOrEqual(1e-12 * expected);
        compareTwins(native, 3e-6, (kernels) => {
          const [w, m, v, sum] = [w0.slice(), m0.slice(), v0.slice(), zeros(n)];
          kernels.adamw({
            w,
            g,
            m,
            v,
            n,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            decay: 0.1,
            step: 3,
            gradScale: 0.5,
          });
          kernels.add({ out: sum, a: w0, b, n });
          const weighted = g.slice();
          kernels.add({ out: weighted, a: weighted, b, n, scaleA: -0.75, scaleB: 2.5 });
          const cleared = g.slice();
          kernels.zero({ x: cleared, n: n >> 1 });
          return { w, m, v, sum, weighted, cleared };
        });
      }),
      runs(25),
    );
  });
});
