/** A model in numbers, however its family spells them in `config.json`. */

/** Context extension by YaRN (Peng et al. 2023; report, section 4.3). */
export interface YarnConfig {
  factor: number;
  originalMaxPositionEmbeddings: number;
  betaFast: number;
  betaSlow: number;
  mscale: number | null;
  mscaleAllDim: number | null;
  attentionFactor: number | null;
  /** Whether the ends of the ramp are rounded to whole pairs. */
  truncate: boolean;
}

/** The numbers of one model. What is the same in all models of its family stands in the family's description (`families/`). */
export interface ModelConfig {
  /** The family: `model_type` of config.json. */
  modelType: string;
  vocabSize: number;
  hiddenSize: number;
  /** Width of the dense feed-forward in the first `firstKDenseReplace` layers. */
  intermediateSize: number;
  moeIntermediateSize: number;
  numHiddenLayers: number;
  firstKDenseReplace: number;
  numAttentionHeads: number;
  /** Null: a plain q_proj in place of the low-rank one. */
  qLoraRank: number | null;
  kvLoraRank: number;
  qkNopeHeadDim: number;
  qkRopeHeadDim: number;
  vHeadDim: number;
  nRoutedExperts: number;
  nSharedExperts: number;
  numExpertsPerTok: number;
  nGroup: number;
  topkGroup: number;
  normTopkProb: boolean;
  routedScalingFactor: number;
  ropeTheta: number;
  yarn: YarnConfig | null;
  ropeInterleave: boolean;
  maxPositionEmbeddings: number;
  rmsNormEps: number;
  tieWordEmbeddings: boolean;
  numNextnPredictLayers: number;
  initializerRange: number;
  bosTokenId: number | null;
  /** Any of these ends a reply. */
  eosTokenIds: number[];
}

/** Far above any published model; a file that asks for more is broken or hostile. */
export const CONFIG_LIMITS = {
  vocabSize: 2 ** 22,
  width: 2 ** 18,
  layers: 4096,
  heads: 4096,
  experts: 65536,
  positions: 2 ** 24,
};
