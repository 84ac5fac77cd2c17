/**
 * Whether steps run on all threads or on the caller's alone. Of a small model a pass is over in less time than some meetings of threads take, and the
 * processor that is left free serves whoever is waiting for the text. Which is quicker is measured, by how many tokens a step has.
 */
import type { Kernels } from "../../tensor/index.ts";
import { Autotuner } from "./autotuner.ts";

/** Models whose weights that fire take more than this, in bytes, are too large for one thread to be quicker. */
const SMALL = 16 << 20;
/** All threads must be quicker by this much: they take the processors from whoever sends the requests and reads the text. */
const WORTH = 1.1;

export class ThreadChoice {
  private readonly kernels: Kernels;
  private readonly maxTokens: number;
  /** By the binary logarithm of a step's tokens, rounded up: the first way is all threads. */
  private readonly tuners: Autotuner[] = [];

  /** @param firingBytes of the weights that fire for a token */
  constructor(kernels: Kernels, firingBytes: number) {
    this.kernels = kernels;
    this.maxTokens = firingBytes > SMALL ? 0 : kernels.maxStepTokens;
  }

  /** Runs a step over `tokens` new tokens on as many threads as have been quickest. */
  run<T>(tokens: number, step: () => T): T {
    if (tokens > this.maxTokens) return step();
    const kind = 32 - Math.clz32(tokens - 1);
    this.tuners[kind] ??= new Autotuner(WORTH);
    const tuner = this.tuners[kind];
    const started = performance.now();
    this.kernels.runAlone(!tuner.first);
    try {
      return step();
    } finally {
      this.kernels.runAlone(false);
      tuner.took((performance.now() - started) / 1000, tokens);
    }
  }
}
