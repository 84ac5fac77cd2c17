/** The model that a run begins with: a new one, or a folder's. */
import { crc32 } from "node:zlib";
import { type CheckpointFolder, configOf, loadTrainingWeights } from "../../checkpoint/index.ts";
import { createTrainingWeights, type TrainingWeights } from "../../model/index.ts";
import type { F32, Kernels } from "../../tensor/index.ts";
import { modelFieldsOf, type ResolvedStage, resolveStages, type Vocabulary } from "../recipe/model.ts";
import type { Recipe } from "../recipe/schema.ts";

export interface Beginning {
  /** With the model's fields filled in. */
  recipe: Recipe;
  stages: ResolvedStage[];
  training: TrainingWeights;
}

/** A new model, as the recipe describes it. */
export function newModel(recipe: Recipe, vocabulary: Vocabulary): Beginning {
  const stages = resolveStages(recipe, vocabulary);
  const training = createTrainingWeights(stages[0].config, recipe.seed);
  const { residual = 1, head = 1 } = recipe.init ?? {};
  for (const { stored, data } of training.slots) {
    const { name } = stored[0];
    const scale = /(o_proj|down_proj)\.weight$/.test(name) ? residual : name.startsWith("lm_head") ? head : 1;
    if (scale !== 1) data.set(data.map((x) => x * scale));
  }
  return { recipe, stages, training };
}

/** The folder that the recipe starts from, with its weights. @throws InputError where a stage does not fit it */
export function modelFrom(
  recipe: Recipe,
  folder: CheckpointFolder,
  kernels: Kernels,
  onMessage?: (message: string) => void,
): Beginning {
  const config = configOf(folder);
  const named = folder.config.num_nextn_predict_layers;
  if (typeof named === "number" && named > config.numNextnPredictLayers) {
    onMessage?.(
      `${folder.dir}: config.json names ${named} MTP depths and the weights hold ${config.numNextnPredictLayers}: training goes on with those`,
    );
  }
  const vocabulary = { vocabSize: config.vocabSize, bosId: config.bosTokenId, eosId: config.eosTokenIds };
  const filled = { ...recipe, model: modelFieldsOf(config) };
  const stages = resolveStages(filled, vocabulary);
  return { recipe: filled, stages, training: loadTrainingWeights(folder, config, kernels) };
}

/** CRC-32 of weights that low-rank additions are added to. */
export function fingerprintOf({ buffer, byteOffset, byteLength }: F32): number {
  return crc32(new Uint8Array(buffer, byteOffset, byteLength));
}
