/**
 * What a Minnow can do, on tasks and texts that it never saw:
 *   node bench/minnow.ts [--model DIR] [--data DIR] [--count 200] [--seed 9] [--samples FILE.md] [--json]
 * Generated tasks, answered greedily and checked: their problems are those that a recipe's tasks with "apart" never have. Bits per byte of the validation text by kind, and how its tokens spread over the
 * experts (both need --data, the folder with pretrain/validation.jsonl.zst); open prompts, thirty that the makers of the training text knew of and
 * thirty that they did not, answered and looked through for loops.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkTask, generateApart, problemOf, type Task, type TaskKind } from "../src/data/index.ts";
import { generate, loadModel, wholeOf } from "../src/infer/index.ts";
import { batchOf, type RouterTrace } from "../src/model/index.ts";
import { Arena, Tape } from "../src/tensor/index.ts";
import { encodeChat } from "../src/text/index.ts";
import { loadValidation, validate } from "../src/train/run/evaluate.ts";
import { BLIND_PROMPTS, OPEN_PROMPTS } from "./open-prompts.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "models/minnow" },
    data: { type: "string" },
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "9" },
    samples: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const model = loadModel(values.model, { dtype: "bf16" });
const count = Number(values.count);
const say = (line: string) => process.stderr.write(`${line}\n`);

async function answer(prompt: string, options: Parameters<typeof generate>[2]): Promise<string> {
  const { ids } = encodeChat(model.tokenizer, [{ role: "user", content: prompt }], { addGenerationPrompt: true });
  return (await wholeOf(generate(model, ids, options))).text;
}

/** Numbers and sign of an arithmetic task with two operands; null for others. */
function operation({ prompt }: Task): { sign: string; digits: number[] } | null {
  const found = /(\d+)\s*(\+|-|−|x|×|\*|\/|÷|times|plus|minus|divided by|multiplied by)\s*(\d+)/i.exec(prompt);
  if (!found) return null;
  const sign = { plus: "+", minus: "-", "−": "-", times: "x", "×": "x", "*": "x", "multiplied by": "x" }[
    found[2].toLowerCase()
  ];
  return { sign: sign ?? found[2], digits: [found[1].length, found[3].length].toSorted() };
}

const isShort = (task: Task, sign: string, least: number, most: number) => {
  const op = operation(task);
  return op !== null && op.sign === sign && op.digits[0] <= least && op.digits[1] <= most && op.digits[1] >= 2;
};

const SUITES: { name: string; kind: TaskKind; takes?: (task: Task) => boolean }[] = [
  { name: "additions of up to three digits", kind: "arithmetic", takes: (task) => isShort(task, "+", 3, 3) },
  { name: "subtractions of up to three digits", kind: "arithmetic", takes: (task) => isShort(task, "-", 3, 3) },
  { name: "products of up to 2 × 3 digits", kind: "arithmetic", takes: (task) => isShort(task, "x", 2, 3) },
  { name: "word problems", kind: "word-problem" },
  { name: "JavaScript functions", kind: "javascript" },
  { name: "planted bugs", kind: "bug" },
];

/** problems: how many different ones the tasks are; of small functions there are few. */
const suites: Record<
  string,
  { tasks: number; problems: number; correct: number; line?: number; fix?: number; wrong: string[] }
> = {};
for (const { name, kind, takes = () => true } of SUITES) {
  const result = { tasks: 0, problems: 0, correct: 0, line: 0, fix: 0, wrong: [] as string[] };
  const prompts = new Set<string>();
  const problems = new Set<string>();
  for (let index = 0; result.tasks < count; index++) {
    const task = generateApart(kind, "test", Number(values.seed), index);
    if (!takes(task) || prompts.has(task.prompt)) continue;
    prompts.add(task.prompt);
    result.problems = problems.add(problemOf(task)).size;
    const reply = await answer(task.prompt, { temperature: 0, maxTokens: 400 });
    const verdict = await checkTask(task, reply);
    result.tasks++;
    if (verdict.correct) result.correct++;
    else if (result.wrong.length < 5) result.wrong.push(`${task.prompt}\n→ ${reply}\n(${verdict.detail})`);
    if (verdict.line) result.line++;
    if (verdict.fix) result.fix++;
  }
  const { line, fix, ...rest } = result;
  suites[name] = kind === "bug" ? result : rest;
  const percent = (n: number) => `${((100 * n) / result.tasks).toFixed(1)} %`;
  say(
    `${name}: ${percent(result.correct)} of ${result.tasks} tasks, ${result.problems} problems${kind === "bug" ? ` (line ${percent(line)}, fix ${percent(fix)})` : ""}`,
  );
}

/** The most often that one run of eight words stands in a text. */
function mostRepeated(text: string): number {
  const words = text.split(/\s+/).filter(Boolean);
  const seen = new Map<string, number>();
  for (let i = 0; i + 8 <= words.length; i++) {
    const run = words.slice(i, i + 8).join(" ");
    seen.set(run, (seen.get(run) ?? 0) + 1);
  }
  return Math.max(0, ...seen.values());
}

const samples: { prompt: string; reply: string; repeats: number }[] = [];
for (const prompt of [...OPEN_PROMPTS, ...BLIND_PROMPTS]) {
  const reply = await answer(prompt, { temperature: 0, maxTokens: 200 });
  samples.push({ prompt, reply, repeats: mostRepeated(reply) });
}
const looped = samples.filter(({ repeats }) => repeats > 2).length;
say(`open prompts: ${looped} of ${samples.length} greedy replies repeat eight words more than twice`);
if (values.samples) {
  const quoted = (text: string) => text.replace(/^/gm, "> ");
  writeFileSync(
    values.samples,
    samples.map(({ prompt, reply }) => `${quoted(`**${prompt}**\n\n${reply}`)}\n`).join("\n"),
  );
}

let validation: { bitsPerByte: number; bySlice: Record<string, number>; busiest: number[]; dead: number } | null = null;
if (values.data) {
  const path = join(values.data, "pretrain/validation.jsonl.zst");
  const { config, transformer, kernels } = model;
  const texts = await loadValidation(path, model.tokenizer, {
    documents: 520,
    maxTokens: Math.min(1024, config.maxPositionEmbeddings),
  });
  const arena = new Arena();
  const { bitsPerByte = Number.NaN, bySlice } = validate(
    { model: transformer, kernels, arena, precision: "bf16" },
    texts,
  );
  const loads: number[][] = [];
  for (const { ids } of texts) {
    arena.reset();
    const routers: RouterTrace[] = [];
    transformer.forward(new Tape({ kernels, arena, precision: "bf16" }), batchOf([ids]), { traces: routers });
    routers.forEach(({ offsets }, layer) => {
      loads[layer] ??= Array(offsets.length - 1).fill(0);
      for (let e = 0; e + 1 < offsets.length; e++) loads[layer][e] += offsets[e + 1] - offsets[e];
    });
  }
  const mean = (load: number[]) => load.reduce((a, b) => a + b, 0) / load.length;
  validation = {
    bitsPerByte,
    bySlice,
    busiest: loads.map((load) => Math.max(...load) / mean(load)),
    dead: loads.flat().filter((load) => load === 0).length,
  };
  say(
    `validation: ${bitsPerByte.toFixed(4)} bits per byte; busiest expert ${Math.max(...validation.busiest).toFixed(2)} × the mean, ${validation.dead} dead`,
  );
}
if (values.json) console.log(JSON.stringify({ model: values.model, suites, samples, validation }));
