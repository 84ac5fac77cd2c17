/** A model that is ready to run: a Hugging Face folder, loaded. */
import { InputError } from "../base/index.ts";
import {
  configOf,
  loadQuantised,
  loadWeights,
  type OnQuantising,
  openFolder,
  type WeightDtype,
} from "../checkpoint/index.ts";
import {
  type CacheDtype,
  countParameters,
  type ModelConfig,
  type ParameterCounts,
  Transformer,
} from "../model/index.ts";
import { Arena, createKernels, type Isa, type Kernels, type Precision } from "../tensor/index.ts";
import { loadTokenizer, Tokenizer } from "../text/index.ts";
import { type GenerationConfig, readGenerationConfig } from "./sampling/generation-config.ts";
import type { SamplingDefaults } from "./sampling/params.ts";
import { Sampler } from "./sampling/sampler.ts";
import { ThreadChoice } from "./scheduling/thread-choice.ts";

export interface LoadOptions {
  /** How weights are held: f32, bf16 (the default where the folder stores them in 16 bits or fewer), or quantised to int8 or int4. */
  dtype?: WeightDtype;
  isa?: Isa;
  threads?: number;
  /** How the latent cache is held (default: f32 where the weights are, else bf16). int8 takes half of bf16's memory. */
  cache?: CacheDtype;
  /** Told of the copy in 8 or 4 bits that the first start makes. */
  onQuantising?: OnQuantising;
  /** For work on ids alone: told why there is no tokenizer that can be read, and loading goes on without its tokens. */
  onNoTokenizer?: (reason: string) => void;
}

export interface Model {
  config: ModelConfig;
  parameters: ParameterCounts;
  /** Bytes of the weights that fire for a token. */
  firingBytes: number;
  transformer: Transformer;
  tokenizer: Tokenizer;
  kernels: Kernels;
  sampler: Sampler;
  /** Which threads its steps run on. */
  threads: ThreadChoice;
  /** How the weights are held. */
  dtype: WeightDtype;
  /** How the latent cache is held. */
  cacheDtype: CacheDtype;
  precision: Precision;
  /** Ids that end a reply. */
  stopIds: ReadonlySet<number>;
  /** How it wants its tokens chosen where nobody says otherwise. */
  defaults: SamplingDefaults;
  /** Scratch memory of passes: reset before each. */
  arena: Arena;
}

/** Bytes that a weight takes, without scales. */
const WEIGHT_BYTES: Record<WeightDtype, number> = { f32: 4, bf16: 2, int8: 1, int4: 0.5 };

/** Loads a folder's weights and tokenizer. @throws InputError saying what is wrong with which file */
export function loadModel(dir: string, options: LoadOptions = {}): Model {
  const folder = openFolder(dir);
  const config = configOf(folder);
  const tokenizer = tokenizerOf(dir, options);
  if (tokenizer.vocabSize > config.vocabSize) {
    throw new InputError(
      `${dir}: the tokenizer has ${tokenizer.vocabSize} ids, but the model's vocab_size is ${config.vocabSize}; they do not belong together`,
    );
  }
  const kernels = createKernels({ isa: options.isa, threads: options.threads });
  const stored = folder.tensors.get("model.embed_tokens.weight")?.dtype;
  const held = options.dtype ?? (stored === "F32" ? "f32" : "bf16");
  const weights =
    held === "int8" || held === "int4"
      ? loadQuantised(folder, config, held, kernels, options.onQuantising)
      : loadWeights(folder, config, held, kernels);
  return modelOf({
    transformer: new Transformer(config, weights),
    tokenizer,
    kernels,
    dtype: held,
    cacheDtype: options.cache ?? (held === "f32" ? "f32" : "bf16"),
    precision: held === "f32" ? "f32" : "bf16",
    generation: readGenerationConfig(dir),
    arena: new Arena(16 << 20),
  });
}

function tokenizerOf(dir: string, { onNoTokenizer }: LoadOptions): Tokenizer {
  try {
    return loadTokenizer(dir);
  } catch (error) {
    if (!onNoTokenizer || !(error instanceof InputError)) throw error;
    onNoTokenizer(error.message);
    return Tokenizer.none();
  }
}

/** What a model is made of; the rest follows. */
export interface ModelParts
  extends Pick<Model, "transformer" | "tokenizer" | "kernels" | "dtype" | "cacheDtype" | "precision" | "arena"> {
  generation: GenerationConfig;
}

/** A model around a transformer that is in memory already, one in training say. */
export function modelOf({ generation, ...parts }: ModelParts): Model {
  const { config } = parts.transformer;
  const parameters = countParameters(config);
  const firingBytes = parameters.active * WEIGHT_BYTES[parts.dtype];
  return {
    ...parts,
    config,
    parameters,
    firingBytes,
    sampler: new Sampler(parts.kernels, config.vocabSize),
    threads: new ThreadChoice(parts.kernels, firingBytes),
    stopIds: new Set([...config.eosTokenIds, ...generation.endIds]),
    defaults: generation.defaults,
  };
}
