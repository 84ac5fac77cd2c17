/** Which tokens of a conversation are learnt, where some of the assistant's turns are not to be. */
import type { Turn } from "../documents/messages.ts";

/**
 * The mask of the assistant's tokens without those of turns that are not to be learnt. Each of the assistant's turns is one run of ones, because
 * something of the template or of somebody else stands between two; where a template makes other runs, nothing of the conversation is learnt.
 */
export function learntMask(turns: readonly Turn[], mask: Uint8Array): Uint8Array {
  if (turns.every(({ learn }) => learn !== false)) return mask;
  const learn = turns.filter(({ role }) => role === "assistant").map((turn) => turn.learn !== false);
  const result = new Uint8Array(mask.length);
  let run = -1;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    if (i === 0 || mask[i - 1] === 0) run++;
    result[i] = learn[run] ? 1 : 0;
  }
  return run + 1 === learn.length ? result : result.fill(0);
}
