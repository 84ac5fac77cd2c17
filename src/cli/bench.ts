/** shoal bench */
import { Command, Option } from "commander";
import { InputError } from "../base/index.ts";
import {
  benchDecode,
  benchDrafting,
  benchKernels,
  benchPrefill,
  benchStartup,
  benchTrain,
  type Ceilings,
  INFERENCE_SHAPES,
  measureCeilings,
  randomWeights,
  TRAIN_SHAPE,
} from "../bench/index.ts";
import { createKernels, type Kernels } from "../tensor/index.ts";
import { announceKernels, integer } from "./common.ts";
import { addModelOptions, type ModelOptions, openModel } from "./model-options.ts";

interface Flags {
  threads?: number;
  json: boolean;
}

/** A command that measures: what it gives is printed with the machine's ceilings, as JSON or by `print`. */
function measuring<More extends Flags, Result extends object>(
  name: string,
  description: string,
  measure: (kernels: Kernels, flags: More) => Result | Promise<Result>,
  print: (result: Result, ceilings: Ceilings) => void,
): Command {
  return new Command(name)
    .description(description)
    .option("--threads <n>", "threads to compute on (default: all cores)", integer("--threads", 1, 256))
    .option("--json", "print one JSON object", false)
    .action(async (flags: More) => {
      const kernels = createKernels({ threads: flags.threads });
      announceKernels(kernels);
      const ceilings = measureCeilings(kernels);
      const result = await measure(kernels, flags);
      if (flags.json) console.log(JSON.stringify({ isa: kernels.isa, ceilings, ...result }));
      else {
        console.log(
          `${kernels.isa}: reads ${gb(ceilings.readBandwidth)} GB/s, multiplies ${gflops(ceilings.matrixPeak)} GFLOP/s in bf16`,
        );
        print(result, ceilings);
      }
    });
}

const gb = (bytes: number) => (bytes / 1e9).toFixed(1);
const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
const gflops = (flops: number) => (flops / 1e9).toFixed(0);
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

const train = measuring<Flags & { steps: number }, Awaited<ReturnType<typeof benchTrain>>>(
  "train",
  "the training step on a model of 25M parameters, 16 × 512 tokens",
  (kernels, { steps }) => benchTrain(TRAIN_SHAPE, kernels, { steps }),
  ({ step, tokensPerSecond, flops, pageFaultsPerStep, residentBytes }, { matrixPeak }) => {
    console.log(
      `${tokensPerSecond.toFixed(0)} tokens/s (a step ${step.median.toFixed(3)} s, ${step.least.toFixed(3)} to ${step.most.toFixed(3)})`,
    );
    console.log(
      `${gflops(flops)} GFLOP/s of the model's products, ${percent(flops / matrixPeak)} of the peak; ${pageFaultsPerStep.toFixed(0)} page faults a step; ${gb(residentBytes)} GB resident`,
    );
  },
).option("--steps <n>", "steps to measure", integer("--steps", 2, 1000), 5);

type Shaped = Flags & { shape: "small" | "big" };
const shape = () =>
  new Option("--shape <shape>", "111M parameters (41M active), or 636M (143M active), random weights")
    .choices(["small", "big"])
    .default("small");

const prefill = measuring<Shaped & { tokens: number }, ReturnType<typeof benchPrefill> & { flops: number }>(
  "prefill",
  "reading a prompt",
  async (kernels, flags) => {
    const { countDeepseek, inferenceFlops } = await import("../plan/index.ts");
    const config = INFERENCE_SHAPES[flags.shape];
    const result = benchPrefill(config, randomWeights(config), kernels, flags.tokens);
    return { ...result, flops: inferenceFlops(countDeepseek(config), flags.tokens).prefill * result.tokensPerSecond };
  },
  ({ tokensPerSecond, flops }, { matrixPeak }) =>
    console.log(
      `${tokensPerSecond.toFixed(0)} tokens/s, ${gflops(flops)} GFLOP/s, ${percent(flops / matrixPeak)} of the peak`,
    ),
)
  .addOption(shape())
  .option("--tokens <n>", "tokens of the prompt", integer("--tokens", 1, 4000), 512);

const decode = measuring<
  Shaped & { sequences: number; weights: "bf16" | "int8" | "int4" },
  ReturnType<typeof benchDecode>
>(
  "decode",
  "writing tokens, one at a time or for several sequences together",
  (kernels, { shape, sequences, weights }) => {
    const config = INFERENCE_SHAPES[shape];
    return benchDecode(config, randomWeights(config, weights), kernels, { sequences });
  },
  ({ tokensPerSecond, step, bytesPerStep }, { readBandwidth }) =>
    console.log(
      `${tokensPerSecond.toFixed(1)} tokens/s (a step ${(step.median * 1e3).toFixed(2)} ms); reads ${gb(bytesPerStep / step.median)} GB/s of weights, ${percent(bytesPerStep / step.median / readBandwidth)} of the bandwidth`,
    ),
)
  .addOption(shape())
  .addOption(
    new Option("--weights <dtype>", "how the large matrices are held")
      .choices(["bf16", "int8", "int4"])
      .default("bf16"),
  )
  .option("--sequences <n>", "sequences decoded together", integer("--sequences", 1, 64), 1);

const kernels = measuring<Flags, { rows: ReturnType<typeof benchKernels> }>(
  "kernels",
  "the matrix products of the training step, one by one",
  (kernels) => ({ rows: benchKernels(kernels) }),
  ({ rows }, { matrixPeak }) => {
    for (const { name, shape, flops, microseconds } of rows)
      console.log(
        `${name.padEnd(10)}${shape.padEnd(22)}${microseconds.toFixed(0).padStart(8)} µs ${gflops(flops).padStart(7)} GFLOP/s  ${percent(flops / matrixPeak)}`,
      );
  },
);

const startup = addModelOptions(new Command("startup"))
  .description("starting up: seconds to the first token, and memory while decoding")
  .option("--json", "print one JSON object", false)
  .action(async ({ model, dtype, threads, json }: ModelOptions & { json: boolean }) => {
    const result = await benchStartup(model, { dtype, threads });
    if (json) return console.log(JSON.stringify(result));
    const { readySeconds, firstTokenSeconds, weightBytes, residentBytes, emptyBytes } = result;
    console.log(
      `weights ready after ${readySeconds.toFixed(2)} s, first token after ${firstTokenSeconds.toFixed(2)} s`,
    );
    console.log(
      `${mb(residentBytes)} MB resident after 64 tokens, ${(residentBytes / weightBytes).toFixed(2)} × the weights' ${mb(weightBytes)} MB; ${mb(emptyBytes)} MB of it before the model was loaded`,
    );
  });

const drafting = addModelOptions(new Command("drafting"))
  .description("greedy replies with tokens guessed ahead by the model's MTP head, beside the same without")
  .option("--json", "print one JSON object", false)
  .action(async ({ json, ...options }: ModelOptions & { json: boolean }) => {
    const model = openModel(options);
    if (model.config.numNextnPredictLayers === 0)
      throw new InputError(`${options.model} has no MTP head (num_nextn_predict_layers is 0): it cannot guess ahead`);
    const result = await benchDrafting(model);
    if (json) console.log(JSON.stringify({ isa: model.kernels.isa, dtype: model.dtype, ...result }));
    else {
      const { plain, drafting, ratio, tokens, drafted, accepted } = result;
      const speed = ({ median }: { median: number }) => (tokens / median).toFixed(0);
      console.log(
        `${model.dtype}: ${speed(plain)} tokens/s, with guesses ${speed(drafting)}: ${ratio.toFixed(2)} ×; ${accepted} of ${drafted} guesses right in ${tokens} tokens`,
      );
    }
    if (!result.same) throw new Error("guessing ahead has changed a greedy reply, which it must not");
  });

const load = new Command("load")
  .description(
    "a server of its own under many clients: tokens/s, waiting times, what batching gains, what is left of it",
  )
  .option("--clients <n>", "clients at a time", integer("--clients", 1, 1024), 64)
  .option("--seconds <n>", "of the mixed load, in which clients leave at random", integer("--seconds", 1, 86400), 60)
  .option("--json", "print one JSON object", false)
  .argument("[arguments...]", "behind --: arguments of shoal serve")
  .action(async (args: string[], { clients, seconds, json }: { clients: number; seconds: number; json: boolean }) => {
    const { benchServer, describeServerLoad } = await import("../bench/index.ts");
    const result = await benchServer(process.argv[1], { clients, seconds, args });
    console.log(json ? JSON.stringify(result) : describeServerLoad(result));
    // The figures have said what went wrong.
    if (!result.passed) process.exitCode = 1;
  });

export const benchCommand = new Command("bench").addHelpText(
  "after",
  `
Every figure stands beside the machine's measured ceilings. Timings need an otherwise idle machine; compare ratios of one run.

Examples:
  shoal bench train
  shoal bench decode --shape big --json
  shoal bench drafting --dtype int4
  shoal bench startup --dtype int4
  shoal bench load --clients 16 -- --model models/minnow --dtype int8
  SHOAL_ISA=avx2 shoal bench prefill`,
);
for (const command of [train, prefill, decode, drafting, kernels, startup, load]) benchCommand.addCommand(command);
