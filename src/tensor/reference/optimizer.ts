/** AdamW (Loshchilov and Hutter 2019), with the gradient's clipping factor applied on the way. */
import type { Kernels } from "../kernels.ts";

export const optimizerKernels: Pick<Kernels, "adamw"> = {
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
};
