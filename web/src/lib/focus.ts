/** Where the keyboard goes. A finger asks for the message box by itself: there it would bring a keyboard over half of the screen. */
const hasKeyboard = (): boolean => matchMedia("(hover: hover)").matches;

export function focusComposer(): void {
  if (hasKeyboard() && !document.querySelector("dialog[open]"))
    document.getElementById("composer")?.focus({ preventScroll: true });
}

/**
 * After something on the page went away with the focus in it: whoever was on a message goes on from the latest, everybody else writes on.
 * @param last what had the focus
 */
export function keepFocus(last: EventTarget | null): void {
  const lost = document.activeElement === document.body || document.activeElement === null;
  // Who selects text to copy it keeps it.
  if (!lost || getSelection()?.isCollapsed === false) return;
  const onMessage = last instanceof HTMLElement && last.matches("[data-message]");
  const latest = onMessage ? [...document.querySelectorAll<HTMLElement>("[data-message]")].at(-1) : null;
  if (latest) latest.focus({ preventScroll: true });
  else focusComposer();
}
