/** Weights for training: all trained numbers in one flat f32 buffer, all gradients in another, so that an optimiser step is one sweep. */
import { Random } from "../base/index.ts";
import { allocate, type F32, size } from "../tensor/index.ts";
import type { ModelConfig } from "./model-config.ts";
import { buildWeights, type ModelWeights, modelSlots, type Slot } from "./parameters.ts";

/** Slots begin on 64-byte borders; the numbers between are 0, have gradient 0, and stay 0. */
const ALIGN = 16;

export interface TrainingWeights {
  weights: ModelWeights;
  /** Every trained number; `slots` says what stands where. */
  flat: F32;
  /** d loss / d flat, added to by each backward pass. */
  grad: F32;
  /** The routers' e_score_correction_bias, one layer after the other. */
  biases: F32;
  slots: PlacedSlot[];
}

export interface PlacedSlot extends Slot {
  /** First element in `flat` (or in `biases`, where not trained). */
  at: number;
  data: F32;
  grad: F32 | null;
}

/** Allocates a model and initialises it: normal(0, initializerRange) for matrices, 1 for norms, 0 for biases. */
export function createTrainingWeights(config: ModelConfig, seed: number): TrainingWeights {
  const result = allocateTrainingWeights(config);
  for (const [index, slot] of result.slots.entries()) {
    if (slot.init === "ones") slot.data.fill(1);
    if (slot.init !== "normal") continue;
    // A stream of its own for each slot: a change of one shape leaves the others' numbers as they were.
    const random = new Random(seed, index + 1);
    for (let i = 0; i < slot.data.length; i++) slot.data[i] = random.normal() * config.initializerRange;
  }
  return result;
}

/** As `createTrainingWeights`, with every number 0: to be loaded into. */
export function allocateTrainingWeights(config: ModelConfig): TrainingWeights {
  const padded = (slot: Slot) => Math.ceil(size(slot.shape) / ALIGN) * ALIGN;
  let trained = 0;
  let untrained = 0;
  for (const slot of modelSlots(config)) {
    if (slot.trained) trained += padded(slot);
    else untrained += padded(slot);
  }
  const flat: F32 = new Float32Array(allocate(trained * 4));
  const grad: F32 = new Float32Array(allocate(trained * 4));
  const biases: F32 = new Float32Array(allocate(untrained * 4));
  const slots: PlacedSlot[] = [];
  let atTrained = 0;
  let atUntrained = 0;
  const weights = buildWeights(config, (slot) => {
    const at = slot.trained ? atTrained : atUntrained;
    const end = at + size(slot.shape);
    const data = (slot.trained ? flat : biases).subarray(at, end);
    const slotGrad = slot.trained ? grad.subarray(at, end) : null;
    if (slot.trained) atTrained += padded(slot);
    else atUntrained += padded(slot);
    slots.push({ ...slot, at, data, grad: slotGrad });
    return { data, shape: slot.shape, grad: slotGrad };
  });
  return { weights, flat, grad, biases, slots };
}
