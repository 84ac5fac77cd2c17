import { t } from "../i18n/index.svelte.ts";
import { announcer } from "../state/announce.svelte.ts";
import { toasts } from "../state/toasts.svelte.ts";

/** @returns whether the text is on the clipboard now */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    announcer.say(t().copied);
    return true;
  } catch {
    toasts.show(t().copyFailed, { bad: true });
    return false;
  }
}
