/** What guessing ahead with the MTP head gives: greedy replies with it and without, in turns. */
import { generate, type Model, wholeOf } from "../infer/index.ts";
import { encodeChat } from "../text/index.ts";
import { type Timing, timingOf } from "./measure.ts";

const PROMPTS = [
  "Tell me a short story about a fox who loses his hat.",
  "What is 472 - 189? Show your steps.",
  "Good morning! How are you today?",
  "Write a JavaScript function that returns the sum of an array of numbers.",
  "What is a river?",
  "Tom has 12 apples and gives 5 of them to Anna. How many are left?",
];

export interface DraftingBench {
  /** Seconds that all replies took to write after their prompts were read. */
  plain: Timing;
  drafting: Timing;
  /** Plain over drafting, of the medians. */
  ratio: number;
  tokens: number;
  drafted: number;
  accepted: number;
  /** Whether drafting has left every token as it was. */
  same: boolean;
}

export async function benchDrafting(model: Model, { runs = 5, maxTokens = 128 } = {}): Promise<DraftingBench> {
  const prompts = PROMPTS.map(
    (content) => encodeChat(model.tokenizer, [{ role: "user", content }], { addGenerationPrompt: true }).ids,
  );
  const replies = async (draft: boolean) => {
    const all = { seconds: 0, ids: [] as number[], drafted: 0, accepted: 0 };
    for (const prompt of prompts) {
      const { ids, usage } = await wholeOf(generate(model, prompt, { temperature: 0, maxTokens, draft }));
      all.seconds += usage.decodeSeconds!;
      all.ids.push(...ids);
      all.drafted += usage.draftedTokens;
      all.accepted += usage.acceptedTokens;
    }
    return all;
  };
  const seconds = { plain: [] as number[], drafting: [] as number[] };
  let [plain, drafting] = [await replies(false), await replies(true)];
  for (let run = 0; run < runs; run++) {
    plain = await replies(false);
    drafting = await replies(true);
    seconds.plain.push(plain.seconds);
    seconds.drafting.push(drafting.seconds);
  }
  const timings = { plain: timingOf(seconds.plain), drafting: timingOf(seconds.drafting) };
  return {
    ...timings,
    ratio: timings.plain.median / timings.drafting.median,
    tokens: plain.ids.length,
    drafted: drafting.drafted,
    accepted: drafting.accepted,
    same: plain.ids.length === drafting.ids.length && plain.ids.every((id, i) => id === drafting.ids[i]),
  };
}
