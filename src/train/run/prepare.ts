/** Everything before a run's first step, or its next: recipe, tokenizer, weights, the newest checkpoint, validation. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { latestState, openFolder, writeAtomically } from "../../checkpoint/index.ts";
import { Transformer } from "../../model/index.ts";
import { Arena, type F32 } from "../../tensor/index.ts";
import { Trainer } from "../optimize/trainer.ts";
import { modelConfigOf } from "../recipe/model.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { stageTokens } from "../recipe/schedule.ts";
import { fingerprintOf, modelFrom, newModel } from "./beginning.ts";
import { checkpointsOf, checkSameRecipe } from "./checkpoints.ts";
import { checkPaths, resolveData, tokenizerOf } from "./inputs.ts";
import { Ledger } from "./ledger.ts";
import { lockRun } from "./run-lock.ts";
import type { Run, RunState, TrainOptions } from "./session.ts";
import { validationTexts } from "./validation-texts.ts";

/** Opens a run, or takes it up again; its folder is locked from then on. @throws InputError */
export async function prepare(given: Recipe, options: TrainOptions): Promise<Run> {
  const { out, kernels } = options;
  const clock = { wall: performance.now(), cpu: process.cpuUsage() };
  const saved = options.resume
    ? latestState(checkpointsOf(out), (message) => options.onMessage?.(`passing over a damaged checkpoint: ${message}`))
    : null;
  if (!options.resume && existsSync(join(out, "ledger.jsonl"))) {
    throw new InputError(`${out}: holds a run already; go on with --resume, or name another folder with --out`);
  }
  if (saved) checkSameRecipe(given, saved.json as unknown as RunState, out);
  checkPaths(given, options);
  const folder = given.from === undefined ? null : openFolder(resolveData(given.from, options));
  mkdirSync(out, { recursive: true });
  lockRun(out);
  writeAtomically(join(out, "recipe.json"), `${JSON.stringify(given, null, 2)}\n`);
  const tokenizer = await tokenizerOf(given, options);
  const { recipe, vocabulary, training } = folder
    ? modelFrom(given, folder, kernels, options.onMessage)
    : newModel(given, tokenizer);
  if (tokenizer.vocabSize > vocabulary.vocabSize) {
    throw new InputError(
      `${given.from}: the tokenizer has ${tokenizer.vocabSize} ids, but the model's vocab_size is ${vocabulary.vocabSize}; they do not belong together`,
    );
  }
  const config = modelConfigOf(recipe, vocabulary);
  const trainer = new Trainer(new Transformer(config, training.weights), training, kernels, recipe);
  const fresh: RunState = {
    stage: 0,
    stageTokens: 0,
    step: 0,
    tokens: 0,
    updates: 0,
    seconds: 0,
    coreSeconds: 0,
    ledgerBytes: 0,
    cursors: [],
    recipe: JSON.stringify(given),
  };
  const ledger = new Ledger(join(out, "ledger.jsonl"));
  // Stages that began later than others changed are held against what they are now.
  const state = saved ? { ...(saved.json as unknown as RunState), recipe: fresh.recipe } : fresh;
  if (recipe.lora) {
    const base = fingerprintOf(training.flat);
    if (state.base !== undefined && state.base !== base)
      throw new InputError(
        `${given.from}: holds other weights than when the run in ${out} began; put them back, or begin a new run`,
      );
    state.base = base;
  }
  if (saved) {
    trainer.restore(saved.buffers, state.updates);
    options.onMessage?.(`going on from step ${state.step}`);
  } else if (options.resume) options.onMessage?.(`${out} has no checkpoint yet: beginning at step 0`);
  const { writtenAt } = ledger;
  ledger.rewind(state.ledgerBytes);
  if (saved && writtenAt !== null) {
    const { step, tokens } = state;
    const pausedSeconds = Math.max(0, Math.round((Date.now() - writtenAt) / 1000));
    const message = `going on after a pause of ${pausedSeconds} s`;
    ledger.append({ kind: "event", event: "resume", step, tokens, pausedSeconds, message });
  }
  // Every stage's model must be able to read the texts.
  const longest = Math.min(
    config.maxPositionEmbeddings,
    Math.max(...recipe.stages.map(({ sequenceLength }) => sequenceLength)),
  );
  const validation = recipe.validation
    ? await validationTexts(recipe, recipe.validation, tokenizer, longest, options)
    : [];
  return {
    recipe,
    options,
    tokenizer,
    vocabulary,
    trainer,
    ledger,
    state,
    reference: (saved?.buffers.reference as F32 | undefined) ?? null,
    validation,
    arena: new Arena(),
    lastLoss: Number.NaN,
    lastBitsPerByte: null,
    totalTokens: recipe.stages.reduce((sum, stage) => sum + stageTokens(stage), 0),
    secondsPerToken: 0,
    paceSteps: 0,
    clock,
  };
}
