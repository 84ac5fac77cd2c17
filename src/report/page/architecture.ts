/** The model in words: rows of a table. */
import { familyOf, type ModelConfig } from "../../model/index.ts";
import type { RunFolder } from "../ledger/run-folder.ts";
import { count, short } from "./format.ts";

/** Name and value of what makes this model, most telling first. Empty while the configuration is not known. */
export function architectureRows({ config, counts }: Pick<RunFolder, "config" | "counts">): [string, string][] {
  if (!config || !counts) return [];
  const mtp = counts.mtp > 0 ? `, and ${short(counts.mtp)} in ${depths(config)} beside them` : "";
  return [
    ["kind", kind(config)],
    ["parameters", `${short(counts.total)}, of which ${short(counts.active)} are active for a token${mtp}`],
    [
      "layers",
      `${config.numHiddenLayers}, the first ${config.firstKDenseReplace} dense, width ${count(config.hiddenSize)}`,
    ],
    [
      "attention",
      `${config.numAttentionHeads} heads of ${config.qkNopeHeadDim} + ${config.qkRopeHeadDim} rotated; latent ${config.kvLoraRank}${config.qLoraRank === null ? "" : `, query latent ${config.qLoraRank}`}`,
    ],
    [
      "cache",
      `${count(counts.cachePerToken.latent)} numbers a token, ${(counts.cachePerToken.naive / counts.cachePerToken.latent).toFixed(1)} × less than keys and values`,
    ],
    ["experts", expertsRow(config)],
    ["context", contextRow(config)],
    [
      "vocabulary",
      `${count(config.vocabSize)} tokens${config.tieWordEmbeddings ? ", head tied to the embedding" : ""}`,
    ],
  ];
}

function kind(config: ModelConfig): string {
  const { title, router } = familyOf(config);
  const balanced = router.correctionBias ? " balanced by bias, multi-token prediction" : "";
  return `${title}: latent attention, fine-grained experts${balanced}`;
}

const depths = ({ numNextnPredictLayers: n }: ModelConfig): string => (n === 1 ? "an MTP depth" : `${n} MTP depths`);

function expertsRow(config: ModelConfig): string {
  if (config.firstKDenseReplace >= config.numHiddenLayers) return "none";
  const { nRoutedExperts, numExpertsPerTok, nSharedExperts, moeIntermediateSize, nGroup, topkGroup } = config;
  const groups = nGroup > 1 ? `, from ${topkGroup} of ${nGroup} groups` : "";
  return `${numExpertsPerTok} of ${nRoutedExperts} for each token${groups}, and ${nSharedExperts} shared; ${moeIntermediateSize} wide`;
}

function contextRow({ maxPositionEmbeddings, yarn }: ModelConfig): string {
  const extended = yarn ? `, extended by YaRN from ${count(yarn.originalMaxPositionEmbeddings)}` : "";
  return `${count(maxPositionEmbeddings)} tokens${extended}`;
}
