/** The families of models that Shoal runs. A new one is listed here, and nowhere else. */
import type { ModelConfig } from "../model-config.ts";
import { deepseekV2 } from "./deepseek-v2.ts";
import { deepseekV3 } from "./deepseek-v3.ts";
import type { Family } from "./family.ts";

export type { Family, RouterKind } from "./family.ts";
export type { WeightNames } from "./weight-names.ts";

export const FAMILIES: readonly Family[] = [deepseekV3, deepseekV2];

/** The family of a model. */
export function familyOf({ modelType }: Pick<ModelConfig, "modelType">): Family {
  const family = FAMILIES.find((one) => one.modelType === modelType);
  if (!family) throw new RangeError(`${modelType} is no family of models`);
  return family;
}
