/** The mixture of experts around its products: activation, router, balance loss, and the way of tokens to their experts and back. */
import { choice, flag, input, kernel, output, real, size } from "../contract.ts";

/** How a router scores experts: each logit by itself, or all of a token together. */
const scoring = choice("sigmoid", "softmax");

/** How a router chooses K of E experts, and weighs them. */
export const router = {
  E: size({ multipleOf: "groups" }),
  K: size({ max: "E/groups·topkGroups" }),
  groups: size({ min: "1" }),
  topkGroups: size({ max: "groups" }),
  scoring,
  /** A group's score is the sum of its two best (its best one, if it has one member), or its best one. */
  groupScore: choice("topTwo", "max"),
  normalize: flag(),
  scale: real(),
} as const;

export const moe = {
  /** out[T,F] = silu(gate) · up, from x[T,2F] = [gate | up] */
  swiglu: kernel({
    out: output("f32|bf16", "T×F"),
    x: input("f32", "T×2F"),
    T: size(),
    F: size(),
  }),
  swigluBackward: kernel({
    /** In bf16 only where it is fresh. */
    dx: output("f32|bf16", "T×2F"),
    /** dx is overwritten instead of added to (default false). */
    fresh: flag({ default: false }),
    dy: input("f32", "T×F"),
    x: input("f32", "T×2F"),
    T: size(),
    F: size(),
  }),

  /**
   * The router (report, eq. 12–16): scores = sigmoid or softmax of logits; choose on scores + bias: the topkGroups groups of the best scores stay, the K
   * best experts among them win (ties: the lower index). weights are the unbiased scores of the chosen, divided by (their sum + 1e-20) when normalize,
   * times scale. A token's chosen stand in falling order of biased score.
   */
  route: kernel({
    scores: output("f32", "T×E"),
    indices: output("i32", "T×K"),
    weights: output("f32", "T×K"),
    logits: input("f32", "T×E"),
    /** [E] e_score_correction_bias; null: 0 */
    bias: input("f32", "E", { nullable: true }),
    T: size(),
    ...router,
  }),
  /** dLogits += gradient through weights, plus that of dScores (the balance loss's, or null), through the scoring. */
  routeBackward: kernel({
    dLogits: output("f32", "T×E"),
    /** [T,K] gradient of weights */
    dWeights: input("f32", "T×K"),
    /** [T,E] or null */
    dScores: input("f32", "T×E", { nullable: true }),
    scores: input("f32", "T×E"),
    indices: input("i32", "T×K", { contents: { below: "E" } }),
    T: size(),
    E: size(),
    K: size(),
    scoring,
    normalize: flag(),
    scale: real(),
  }),
  /**
   * Sequence-wise balance loss (report, eq. 17–20): per sequence α Σ_e f_e P_e, f_e = E/(K·T) · count of e, P_e = mean over t of
   * scores[t,e] / Σ_e scores[t]. Returns the mean over sequences weighted by their lengths, and overwrites
   * dScores with its gradient times gradScale (f_e is a constant). Sequences are those of `segments` (its qStart, qLen).
   */
  balanceLoss: kernel(
    {
      dScores: output("f32", "T×E"),
      scores: input("f32", "T×E"),
      indices: input("i32", "T×K", { contents: { below: "E" } }),
      segments: input("i32", "S×4", { contents: { segments: ["T", "Tk"] } }),
      S: size(),
      T: size(),
      E: size(),
      K: size(),
      alpha: real(),
      gradScale: real(),
    },
    { returns: "number" },
  ),

  /** Stable counting sort of T·K choices by expert: row j of the sorted order is token tokens[j]; choice (t,i) stands at row place[t,i]. */
  dispatch: kernel({
    place: output("i32", "T×K"),
    tokens: output("i32", "T×K"),
    offsets: output("i32", "E+1"),
    indices: input("i32", "T×K", { contents: { below: "E" } }),
    T: size(),
    E: size(),
    K: size(),
  }),
  /** out[J,D] = x[rows[j], :] (experts' inputs, embeddings) */
  gatherRows: kernel({
    out: output("f32|bf16", "J×D"),
    x: input("f32|bf16", "X×D"),
    rows: input("i32", "J", { contents: { counts: "X" } }),
    J: size(),
    D: size(),
  }),
  /** dx[rows[j], :] += dy[j, :], in the order of j for each row (embeddings) */
  scatterRows: kernel({
    dx: output("f32", "X×D"),
    dy: input("f32", "J×D"),
    rows: input("i32", "J", { contents: { below: "X" } }),
    J: size(),
    D: size(),
    /** rows of dx */
    X: size(),
  }),
  /** out[T,D] += Σ_i weights[t,i] · y[place[t,i], :]; weights null means 1 (which is the gradient of gathering experts' inputs) */
  combine: kernel({
    out: output("f32", "T×D"),
    y: input("f32", "T×K×D"),
    weights: input("f32", "T×K", { nullable: true }),
    place: input("i32", "T×K", { contents: { below: "T·K" } }),
    T: size(),
    K: size(),
    D: size(),
  }),
  /** dy[place[t,i], :] += weights[t,i] · dout[t, :]; dWeights[t,i] += dout[t, :] · y[place[t,i], :] */
  combineBackward: kernel({
    /** In bf16 only where it is fresh. */
    dy: output("f32|bf16", "T×K×D"),
    /** dy is overwritten instead of added to (default false). */
    fresh: flag({ default: false }),
    dWeights: output("f32", "T×K"),
    dout: input("f32", "T×D"),
    y: input("f32", "T×K×D"),
    weights: input("f32", "T×K"),
    place: input("i32", "T×K", { contents: { below: "T·K" } }),
    T: size(),
    K: size(),
    D: size(),
  }),
};
