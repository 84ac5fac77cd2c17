/** What a family of models is: everything that its models share, and how its `config.json` spells the rest. */
import type { Fields, Json } from "../config-fields.ts";
import type { ModelConfig } from "../model-config.ts";
import type { WeightNames } from "./weight-names.ts";

/** How a router scores experts, and how it ranks groups of them. */
export interface RouterKind {
  scoring: "sigmoid" | "softmax";
  /** A group's score: the sum of its two best experts' scores, or its best one's. */
  groupScore: "topTwo" | "max";
  /** Whether a bias that only the choice sees (e_score_correction_bias) balances the experts. */
  correctionBias: boolean;
}

export interface Family {
  /** `model_type` and `architectures` of config.json. */
  readonly modelType: string;
  readonly architecture: string;
  /** The family in words, for people. */
  readonly title: string;
  /** "latent": multi-head latent attention. latentNormEps: the ε of the norms of latents (q_a and kv_a), whatever rms_norm_eps says. */
  readonly attention: { readonly kind: "latent"; readonly latentNormEps: number };
  readonly router: RouterKind;
  readonly names: WeightNames;
  /** What transformers takes for fields that a config.json leaves out. */
  readonly defaults: Json;
  /** Fields whose other values Shoal does not compute: they are refused by name. */
  readonly only: Json;
  /** Numbers that the family spells otherwise than DeepSeek-V3, or does not have. */
  readonly read?: (fields: Fields) => Partial<ModelConfig>;
  /** The fields of config.json that belong to this family alone, the inverse of `read`. */
  readonly write: (config: ModelConfig) => Json;
}
