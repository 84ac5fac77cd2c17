/** The keys, once: the list that explains them is made from the same table. */
import type { Strings } from "../i18n/en.ts";
import { isComposing } from "./ime.ts";

export const MAC = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");
export const MOD = MAC ? "⌘" : "Ctrl";

interface Shortcut {
  name: keyof Strings["keys"];
  keys: string[];
}

export const SHORTCUTS: Record<keyof Strings["shortcutGroups"], Shortcut[]> = {
  everywhere: [
    { name: "newChat", keys: ["Mod", "Shift", "O"] },
    { name: "search", keys: ["Mod", "K"] },
    { name: "sidebar", keys: ["Mod", "B"] },
    { name: "settings", keys: ["Mod", "."] },
    { name: "preferences", keys: ["Mod", ","] },
    { name: "compose", keys: ["/"] },
    { name: "send", keys: ["Enter"] },
    { name: "newLine", keys: ["Shift", "Enter"] },
    { name: "stop", keys: ["Esc"] },
    { name: "help", keys: ["?"] },
  ],
  messages: [
    { name: "nextMessage", keys: ["j"] },
    { name: "previousMessage", keys: ["k"] },
    { name: "copy", keys: ["c"] },
    { name: "edit", keys: ["e"] },
    { name: "regenerate", keys: ["r"] },
    { name: "xray", keys: ["x"] },
    { name: "versions", keys: ["[", "]"] },
  ],
  xray: [
    { name: "tokens", keys: ["←", "→"] },
    { name: "firstLast", keys: ["Home", "End"] },
    { name: "surprise", keys: ["n"] },
  ],
};

export interface Actions {
  newChat: () => void;
  search: () => void;
  sidebar: () => void;
  settings: () => void;
  preferences: () => void;
  compose: () => void;
  help: () => void;
  /** @returns whether there was something to stop or close */
  escape: () => boolean;
  step: (by: 1 | -1) => void;
  onMessage: (message: HTMLElement, action: "copy" | "edit" | "regenerate" | "xray") => void;
  version: (message: HTMLElement, by: 1 | -1) => void;
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest("input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]") !== null;

function withMod(event: KeyboardEvent, actions: Actions): (() => void) | undefined {
  const key = event.key.toLowerCase();
  if (event.shiftKey) return key === "o" ? actions.newChat : undefined;
  return { k: actions.search, b: actions.sidebar, ".": actions.settings, ",": actions.preferences }[key];
}

function single(event: KeyboardEvent, actions: Actions): (() => void) | undefined {
  const message = (event.target as Element).closest?.<HTMLElement>("[data-message]");
  const onMessage = (action: Parameters<Actions["onMessage"]>[1]) =>
    message && (() => actions.onMessage(message, action));
  switch (event.key) {
    case "/":
      return actions.compose;
    case "?":
      return actions.help;
    case "j":
      return () => actions.step(1);
    case "k":
      return () => actions.step(-1);
    case "c":
      return onMessage("copy") || undefined;
    case "e":
      return onMessage("edit") || undefined;
    case "r":
      return onMessage("regenerate") || undefined;
    case "x":
      return onMessage("xray") || undefined;
    case "[":
      return message ? () => actions.version(message, -1) : undefined;
    case "]":
      return message ? () => actions.version(message, 1) : undefined;
  }
}

/** @param singleKeys whether keys without a modifier count */
export function handleKey(event: KeyboardEvent, actions: Actions, singleKeys: boolean): void {
  if (event.defaultPrevented || isComposing(event) || event.altKey) return;
  const mod = MAC ? event.metaKey : event.ctrlKey;
  let action: (() => void) | undefined;
  const inDialog = document.querySelector("dialog[open]") !== null;
  if (event.key === "Escape") {
    // A dialog closes by itself, and nothing behind it.
    if (!inDialog && actions.escape()) event.preventDefault();
    return;
  }
  if (mod) action = withMod(event, actions);
  else if (singleKeys && !event.ctrlKey && !event.metaKey && !isTyping(event.target) && !inDialog)
    action = single(event, actions);
  if (!action) return;
  event.preventDefault();
  action();
}
