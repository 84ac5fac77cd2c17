/** RMSNorm (Zhang and Sennrich 2019) and rotary embedding (Su et al. 2021). */
import { bf16ToF32, put } from "../../dtype.ts";
import { define } from "../define.ts";
import { norm } from "./contract.ts";

export const normReference = define(norm, {
  rmsNorm({ out, rstd, x, w, T, D, eps, ldx, ldo }) {
    const weight = w instanceof Uint16Array ? Float32Array.from(w.subarray(0, D), bf16ToF32) : w;
    for (let t = 0; t < T; t++) {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += x[t * ldx + d] ** 2;
      rstd[t] = 1 / Math.sqrt(sum / D + eps);
      for (let d = 0; d < D; d++) put(out, t * ldo + d, x[t * ldx + d] * rstd[t] * weight[d]);
    }
  },

  rmsNormBackward({ dx, dw, dy, x, w, rstd, T, D, ldx, lddx, lddy }) {
    for (let t = 0; t < T; t++) {
      const r = rstd[t];
      // With u = x · r: dx = r · (dy·w − u · mean(dy · w · u)).
      let projection = 0;
      for (let d = 0; d < D; d++) projection += dy[t * lddy + d] * w[d] * x[t * ldx + d] * r;
      projection /= D;
      for (let d = 0; d < D; d++) {
        const u = x[t * ldx + d] * r;
        dx[t * lddx + d] += r * (dy[t * lddy + d] * w[d] - u * projection);
        dw[d] += dy[t * lddy + d] * u;
      }
    }
  },

  rope({ x, positions, cos, sin, T, H, P, ld, headStride, interleaved, inverse }) {
    const half = P / 2;
    for (let t = 0; t < T; t++) {
      const angles = positions[t] * half;
      for (let h = 0; h < H; h++) {
        const at = t * ld + h * headStride;
        for (let i = 0; i < half; i++) {
          const first = at + (interleaved ? 2 * i : i);
          const second = first + (interleaved ? 1 : half);
          const c = cos[angles + i];
          const s = inverse ? -sin[angles + i] : sin[angles + i];
          const a = x[first];
          const b = x[second];
          x[first] = a * c - b * s;
          x[second] = a * s + b * c;
        }
      }
    }
  },
});
