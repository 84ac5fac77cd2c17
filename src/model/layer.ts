/**
 * A layer, described once: what it computes and with which numbers. Training, prefill (`transformer.ts`, `attention.ts`, `experts.ts`) and the
 * prepared pass of decoding (`step.ts`) are three interpreters of this description, and take their numbers from nowhere else.
 */
import { familyOf, type RouterKind } from "./families/index.ts";
import type { ModelConfig } from "./model-config.ts";
import { softmaxScale } from "./rope.ts";

/** Multi-head latent attention (report, section 2.1.1). Letters as in README.md. */
export interface LatentAttention {
  H: number;
  N: number;
  P: number;
  V: number;
  R: number;
  /** Rank of the query's projection; null: a plain q_proj. */
  rank: number | null;
  /** ε of the norms of the query's and of the cached latent. */
  latentEps: number;
  /** Rotated numbers are paired (0,1), (2,3), …; else each with the one half a head on. */
  interleaved: boolean;
  /** The factor on scores. */
  scale: number;
}

/** Which K of E experts a token goes to, and how they are weighted (report, eq. 12–16). */
export interface Router extends RouterKind {
  E: number;
  K: number;
  /** The E experts stand in this many groups; only topkGroups of them are chosen from. */
  groups: number;
  topkGroups: number;
  /** Whether the weights of the chosen are divided by their sum. */
  normalize: boolean;
  /** What weights are multiplied by at last. */
  scale: number;
}

/** Routed experts of width F, and a shared one that every token goes to (width 0: none). */
export interface Experts {
  F: number;
  sharedF: number;
  router: Router;
}

/** x + attention(norm(x)), then x + feed-forward(norm(x)). */
export interface Layer {
  /** Width of the residual stream. */
  D: number;
  /** ε of both norms. */
  eps: number;
  attention: LatentAttention;
  /** A dense feed-forward of width F, or a mixture of experts. */
  feedForward: { F: number } | Experts;
}

/** The description of layer `index`; those behind the last are MTP depths. */
export function layerOf(config: ModelConfig, index: number): Layer {
  return {
    D: config.hiddenSize,
    eps: config.rmsNormEps,
    attention: latentAttentionOf(config),
    feedForward: index < config.firstKDenseReplace ? { F: config.intermediateSize } : expertsOf(config),
  };
}

export function latentAttentionOf(config: ModelConfig): LatentAttention {
  return {
    H: config.numAttentionHeads,
    N: config.qkNopeHeadDim,
    P: config.qkRopeHeadDim,
    V: config.vHeadDim,
    R: config.kvLoraRank,
    rank: config.qLoraRank,
    latentEps: familyOf(config).attention.latentNormEps,
    interleaved: config.ropeInterleave,
    scale: softmaxScale(config),
  };
}

function expertsOf(config: ModelConfig): Experts {
  return {
    F: config.moeIntermediateSize,
    sharedF: config.nSharedExperts * config.moeIntermediateSize,
    router: {
      ...familyOf(config).router,
      E: config.nRoutedExperts,
      K: config.numExpertsPerTok,
      groups: config.nGroup,
      topkGroups: config.topkGroup,
      normalize: config.normTopkProb,
      scale: config.routedScalingFactor,
    },
  };
}
