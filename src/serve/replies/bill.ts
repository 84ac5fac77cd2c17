/** What a reply used and cost. */
import type { ModelInfo, Usage } from "../../infer/index.ts";

/** A continued reply's numbers: its prompt as it was first read, and all that was written since. */
export function together(before: Usage, after: Usage): Usage {
  const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);
  return {
    promptTokens: before.promptTokens,
    cachedTokens: before.cachedTokens,
    completionTokens: before.completionTokens + after.completionTokens,
    reasoningTokens: before.reasoningTokens + after.reasoningTokens,
    draftedTokens: before.draftedTokens + after.draftedTokens,
    acceptedTokens: before.acceptedTokens + after.acceptedTokens,
    queueSeconds: sum(before.queueSeconds, after.queueSeconds),
    prefillSeconds: sum(before.prefillSeconds, after.prefillSeconds),
    decodeSeconds: sum(before.decodeSeconds, after.decodeSeconds),
  };
}

/** Dollars, or null where no price is known. A core's time is counted as if the reply had had it alone. */
export function costOf({ price }: ModelInfo, usage: Usage): number | null {
  if (price === null) return null;
  if ("promptUsd" in price)
    return (usage.promptTokens * price.promptUsd + usage.completionTokens * price.completionUsd) / 1e6;
  const seconds = (usage.prefillSeconds ?? 0) + (usage.decodeSeconds ?? 0);
  return (seconds / 3600) * price.cores * price.coreHourUsd;
}
