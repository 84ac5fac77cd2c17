/** What becomes of logits: the loss, and what a token is drawn from. */
import { input, kernel, output, real, size } from "../contract.ts";

export const loss = {
  /**
   * Cross entropy of logits[T,V] against targets[T] (−1: ignored). losses[t] = −log softmax(logits[t])[target] (0 where ignored).
   * With a gradient, gradient[T,V] = gradScale · (softmax − onehot) (0 where ignored), and the logits are no longer what they were: their memory may be its own.
   */
  crossEntropy: kernel({
    logits: output("f32", "T×V"),
    losses: output("f32", "T"),
    targets: input("i32", "T", { contents: { from: -1, below: "V" } }),
    T: size(),
    V: size(),
    gradient: output("f32|bf16", "T×V", { nullable: true }),
    gradScale: real(),
  }),

  /**
   * What a token is drawn from: tokens of scores[V] with their weights w = e^((score − best) / temperature), the best score's being 1 and a score of −∞ or
   * NaN weighing 0. Written are, ids rising, those whose weight is at least `share` / V of all weights' sum (0: all of them).
   * Returns how many. Where no score is a finite number it is one token, the first of the largest, with weight 1.
   */
  tokenWeights: kernel(
    {
      /** [V]; what is behind the tokens written is undefined. */
      ids: output("i32", "V"),
      /** [V], likewise */
      weights: output("f32", "V"),
      /** [1]: the sum of all weights, of those not written too. */
      sum: output("f32", "1"),
      scores: input("f32", "V"),
      V: size(),
      /** Above 0. */
      temperature: real(),
      /** From 0 to 1. */
      share: real(),
    },
    { returns: "number" },
  ),

  /**
   * The head and its cross entropy in one: losses[t] = −log softmax(x·wᵀ)[target] (0 where the target is −1), and of Σ gradScale · losses what is to be
   * added to dx and dw. Operands of products are rounded to bf16, the gradients of logits among them.
   */
  headLoss: kernel(
    {
      losses: output("f32", "T"),
      dx: output("f32", "T×D"),
      dw: output("f32", "V×D"),
      x: input("f32", "T×D"),
      w: input("f32", "V×D"),
      targets: input("i32", "T", { contents: { from: -1, below: "V" } }),
      T: size(),
      D: size(),
      V: size(),
      gradScale: real(),
    },
    { tiles: true, wholeTiles: { of: ["D", "V"], size: 32 } },
  ),
};
