/** What the whole site knows: the server, its models, and which dialog is open. */
import type { ModelInfo } from "../../../src/infer/engine.ts";
import type { ChatSettings, Info } from "../../../src/serve/wire.ts";
import { t } from "../i18n/index.svelte.ts";
import { api, RequestFailed } from "../lib/api.ts";
import { toasts } from "./toasts.svelte.ts";

export type Dialog = "preferences" | "shortcuts" | "key" | null;

class App {
  info = $state.raw<Info | null>(null);
  unreachable = $state(false);
  dialog = $state<Dialog>(null);
  /** The panel with the settings of this chat. */
  panel = $state(false);
  models = $derived(this.info?.models ?? []);

  async load(): Promise<void> {
    try {
      this.info = await api.info();
      this.unreachable = false;
      // Without its key a page learns only that it needs one.
      if (!this.info.admitted) this.dialog = "key";
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 401) this.dialog = "key";
      else this.unreachable = true;
    }
  }

  /** What the reader's new chats begin with. @returns whether it was stored */
  async setDefaults(settings: ChatSettings): Promise<boolean> {
    const stored = await attempt(() => api.setDefaults(settings));
    if (stored && this.info) this.info = { ...this.info, defaults: stored };
    return stored !== null;
  }

  model(id: string | null | undefined): ModelInfo | null {
    return this.models.find((model) => model.id === (id ?? this.info?.defaultModel)) ?? null;
  }
}

export const app = new App();

/** Says what went wrong with something the reader asked for. */
export function report(error: unknown): void {
  if (error instanceof RequestFailed && error.status === 401) app.dialog = "key";
  else if (error instanceof RequestFailed && error.status === 0) toasts.show(t().unreachable, { bad: true });
  else toasts.show(error instanceof Error ? error.message : String(error), { bad: true });
}

/** Runs it and reports its failure; the value, or null. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    report(error);
    return null;
  }
}
