/** Sweeps over flat buffers; AdamW (Loshchilov and Hutter 2019), with the gradient's clipping factor applied on the way. */
import { define } from "../define.ts";
import { elementwise } from "./contract.ts";

export const elementwiseReference = define(elementwise, {
  add({ out, a, b, n, scaleA, scaleB }) {
    for (let i = 0; i < n; i++) out[i] = scaleA * a[i] + scaleB * b[i];
  },

  zero({ x, n }) {
    x.fill(0, 0, n);
  },

  sumSquares({ x, n }) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
  },

  adamw({ w, g, m, v, n, lr, beta1, beta2, eps, decay, step, gradScale }) {
    const correction1 = 1 - beta1 ** step;
    const correction2 = 1 - beta2 ** step;
    for (let i = 0; i < n; i++) {
      const gradient = g[i] * gradScale;
      m[i] = beta1 * m[i] + (1 - beta1) * gradient;
      v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
      const update = m[i] / correction1 / (Math.sqrt(v[i] / correction2) + eps);
      w[i] = w[i] * (1 - lr * decay) - lr * update;
    }
  },
});
