/** shoal train RECIPE */
import { dirname } from "node:path";
import { Command } from "commander";
import { watchRunAside } from "../report/index.ts";
import { createKernels } from "../tensor/index.ts";
import {
  type LedgerRecord,
  loadRecipe,
  type RunProgress,
  runFolderOf,
  type StepRecord,
  train,
  type ValidationRecord,
} from "../train/index.ts";
import { announceKernels, duration, integer, UserAbort, untilInterrupted } from "./common.ts";

export const trainCommand = new Command("train")
  .argument("<recipe>", "a recipe file; recipes/ holds some to start from")
  .option("--out <dir>", "folder of the run (default: runs/NAME)")
  .option("--data <dir>", "where the recipe's relative paths begin (default: SHOAL_DATA, else this folder)")
  .option("--resume", "go on from the newest checkpoint", false)
  .option("--accept-changed-data", "with --resume: go on even where data are not what they were", false)
  .option("--threads <n>", "threads to compute on (default: all cores)", integer("--threads", 1, 256))
  .option("--max-steps <n>", "stop with a checkpoint after this many steps", integer("--max-steps", 1, 2 ** 31))
  .option("--watch [port]", "serve a live page of the run on 127.0.0.1 (default: 4100)", integer("--watch", 0, 65535))
  .option("--json", "print the ledger's lines instead of progress", false)
  .addHelpText(
    "after",
    `
A recipe is one JSON file: tokenizer, model and stages (pre-train, extend the context, chat, preferences), or a folder to start from and
what to tune it on. docs/recipes.md has every field, and an example for each use. To begin with:
  recipes/tiny.json          a first model in about a minute, on this repository's documents
  recipes/fast.json          what is quickest at 5 to 50 million active parameters
  recipes/faithful.json      the report's recipe, scaled down
  recipes/lora-example.json  tunes Minnow on 200 examples of a new format, by low-rank additions

The run's folder holds everything: recipe.json, tokenizer/, cache/, checkpoints/, ledger.jsonl, and at the end model/, a Hugging Face folder.
Ctrl-C finishes the step at hand and writes a checkpoint; --resume goes on exactly where it stopped, also after a crash or a full disk.
What is learnt is shown step by step with the bill and the time left; shoal report RUN says it in figures, pages and a model card.

Examples:
  shoal train recipes/tiny.json --out runs/tiny
  shoal train recipes/tiny.json --out runs/tiny --resume
  shoal train recipes/fast.json --data ../data --watch
  shoal train recipes/lora-example.json --out runs/slips
  shoal chat --model runs/slips/model`,
  )
  .action(
    async (
      path: string,
      options: {
        out?: string;
        data?: string;
        resume: boolean;
        acceptChangedData: boolean;
        threads?: number;
        maxSteps?: number;
        watch?: number | true;
        json: boolean;
      },
    ) => {
      const recipe = loadRecipe(path);
      const kernels = createKernels({ threads: options.threads });
      announceKernels(kernels);
      const out = options.out ?? runFolderOf(recipe, path);
      const say = (line: string) => process.stderr.write(`${line}\n`);
      const watch = options.watch === undefined ? null : await watchRunAside({ dir: out, port: options.watch });
      if (watch) say(`watch it on ${watch.url}`);
      const result = await untilInterrupted((signal) =>
        train(recipe, {
          out,
          data: options.data ?? process.env.SHOAL_DATA,
          recipeDir: dirname(path),
          resume: options.resume,
          acceptChangedData: options.acceptChangedData,
          maxSteps: options.maxSteps,
          kernels,
          signal,
          onMessage: say,
          onRecord: (record, progress) =>
            options.json ? process.stdout.write(`${JSON.stringify(record)}\n`) : say(lineOf(record, progress)),
        }).catch((error) => {
          if (error !== signal.reason) throw error;
          say("stopped while the data were read: the same command goes on");
          throw new UserAbort();
        }),
      ).catch(async (error) => {
        await watch?.close();
        throw error;
      });
      // A page that goes with the run is gone before it is read.
      const stay = async () => {
        if (!watch) return;
        if (process.stderr.isTTY) {
          say(`the page stays on ${watch.url} until Ctrl-C`);
          // The page's thread does not keep the process alive.
          const alive = setInterval(() => {}, 2 ** 30);
          await untilInterrupted((signal) => new Promise((resolve) => signal.addEventListener("abort", resolve)));
          clearInterval(alive);
        } else say(`its page: shoal report ${out} --watch, or --html FILE`);
        await watch.close();
      };
      if (!result.finished) {
        await watch?.close();
        say(
          `stopped after step ${result.steps} with a checkpoint; go on with: shoal train ${path} --out ${out} --resume`,
        );
        if (options.maxSteps === undefined) throw new UserAbort();
        return;
      }
      say(
        `finished: ${result.steps} steps, ${result.tokens} tokens${result.bitsPerByte === null ? "" : `, ${result.bitsPerByte.toFixed(4)} bits per byte`}; the model is in ${result.model}`,
      );
      const hasChat =
        recipe.from !== undefined || recipe.stages.some(({ loss, preference }) => loss === "assistant" || preference);
      say(
        `talk with it: shoal ${hasChat ? "chat" : "generate"} --model ${result.model}${hasChat ? "" : ' --prompt "Once upon a time"'}`,
      );
      for (const remark of result.remarks) say(`but: ${remark}`);
      await stay();
    },
  );

function lineOf(record: LedgerRecord, progress: RunProgress): string {
  switch (record.kind) {
    case "validation":
      return `validation at step ${record.step}: ${heldOut(record)}`;
    case "experts":
      return `expert loads at step ${record.step}: ${record.loads.map((loads) => Math.max(...loads).toFixed(2)).join(" ")} × the mean at most`;
    case "sample":
      return `at step ${record.step}, ${JSON.stringify(record.prompt)} is followed by ${JSON.stringify(record.text)}`;
    case "event":
      return record.message;
    case "step":
      return stepLine(record, progress);
  }
}

/** What a validation measured, in words. */
function heldOut({ bitsPerByte, chatLoss, pairs }: ValidationRecord): string {
  return [
    ...(bitsPerByte === undefined ? [] : [`${bitsPerByte.toFixed(4)} bits per byte`]),
    ...(chatLoss === undefined ? [] : [`loss of held-out replies ${chatLoss.toFixed(4)}`]),
    ...(pairs ? [`held-out pairs ${(100 * pairs.accuracy).toFixed(0)} % right, loss ${pairs.loss.toFixed(4)}`] : []),
  ].join(", ");
}

function stepLine(record: StepRecord, progress: RunProgress): string {
  const { stage, step, loss, mtpLoss, lr, tokensPerSecond, usd, gradNorm, rewards } = record;
  const share = ((100 * progress.tokens) / progress.totalTokens).toFixed(1);
  const mtp = mtpLoss.length > 0 ? ` mtp ${mtpLoss.map((x) => x.toFixed(3)).join(" ")}` : "";
  const preferred = rewards
    ? ` right ${(100 * rewards.accuracy).toFixed(0)} % margin ${rewards.margin.toFixed(3)}`
    : "";
  const speed = `${Math.round(tokensPerSecond)} tokens/s $${usd.toFixed(4)} ${duration(progress.secondsLeft)} left`;
  return `${stage} step ${step} (${share} %) loss ${loss.toFixed(4)}${mtp}${preferred} norm ${gradNorm.toFixed(2)} lr ${lr.toExponential(2)} ${speed}`;
}
