import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { spikeLimit } from "./spikes.ts";

const settings = { window: 32, deviations: 8 };

/** Losses that fall from 4 to 3 with noise of this deviation. */
function course(length: number, noise: number): number[] {
  const random = new Random(5);
  return Array.from({ length }, (_, i) => 4 - i / length + noise * random.normal());
}

describe("the limit of a loss", () => {
  it("is not known before half a window", () => {
    expect(spikeLimit(course(15, 0.05), settings)).toBeNull();
    expect(spikeLimit(course(16, 0.05), settings)).not.toBeNull();
  });

  it("lets noise and a slow fall pass, and catches a jump", () => {
    const losses = course(2000, 0.05);
    for (let i = 32; i < losses.length; i++)
      expect(losses[i]).toBeLessThan(spikeLimit(losses.slice(i - 32, i), settings)!);
    expect(spikeLimit(losses.slice(-32), settings)!).toBeLessThan(losses.at(-1)! + 0.8);
  });

  it("is not moved by spikes that came before", () => {
    const losses = course(2000, 0.05).slice(-32);
    const spoilt = losses.map((loss, i) => (i % 8 === 0 ? loss + 100 : loss));
    expect(spikeLimit(spoilt, settings)! - spikeLimit(losses, settings)!).toBeLessThan(0.5);
  });

  it("leaves room where the loss hardly moves", () => {
    expect(spikeLimit(new Array(32).fill(2), settings)!).toBeGreaterThan(2.05);
  });
});
