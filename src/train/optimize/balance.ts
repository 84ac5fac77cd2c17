/** Auxiliary-loss-free load balancing (report, section 2.1.2; Wang et al. 2024): biases steer which experts are chosen, not how they are weighted. */
import type { ModelWeights, RouterTrace } from "../../model/index.ts";
import type { F32 } from "../../tensor/index.ts";

/** Tokens that each expert of each expert layer received in a step. */
export class ExpertLoads {
  readonly layers: Float64Array[];
  /** Null in a router that has none: its experts are balanced by the loss alone. */
  private readonly biases: (F32 | null)[];

  constructor(weights: ModelWeights) {
    const all = [...weights.layers, ...weights.mtp.map(({ layer }) => layer)];
    const mixtures = all.flatMap(({ experts }) => experts ?? []);
    this.biases = mixtures.map(({ bias }) => bias);
    this.layers = mixtures.map(({ shape }) => new Float64Array(shape.router.E));
  }

  reset(): void {
    for (const loads of this.layers) loads.fill(0);
  }

  /** Adds what the routers of one pass did, in the order of layers (a pass without MTP has fewer). */
  add(routers: readonly RouterTrace[]): void {
    routers.forEach(({ offsets }, layer) => {
      const loads = this.layers[layer];
      for (let e = 0; e < loads.length; e++) loads[e] += offsets[e + 1] - offsets[e];
    });
  }

  /** Lowers by γ the bias of every expert above the mean load, and raises those below it. */
  moveBiases(gamma: number): void {
    this.layers.forEach((loads, layer) => {
      const bias = this.biases[layer];
      const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
      if (mean === 0 || !bias) return;
      for (let e = 0; e < loads.length; e++) bias[e] += gamma * Math.sign(mean - loads[e]);
    });
  }

  /** Per layer: each expert's load over the mean, to two places; zeros where no token was routed. */
  shares(): number[][] {
    return this.layers.map((loads) => {
      const total = loads.reduce((sum, load) => sum + load, 0);
      return Array.from(loads, (load) => (total === 0 ? 0 : Math.round((load * loads.length * 100) / total) / 100));
    });
  }

  /** Per layer: the busiest expert over the mean, and how many experts received nothing. */
  summary(): { busiest: number[]; idle: number[] } {
    const busiest = this.layers.map((loads) => {
      const total = loads.reduce((sum, load) => sum + load, 0);
      return total === 0 ? 0 : Math.round(((Math.max(...loads) * loads.length) / total) * 1000) / 1000;
    });
    return { busiest, idle: this.layers.map((loads) => loads.filter((load) => load === 0).length) };
  }
}
