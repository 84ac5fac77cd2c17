/** Characters of JSON that are laid out anew; longer ones stand as they came. */
const MAX_LAID_OUT = 20_000;
/** Characters that are shown. */
const MAX_SHOWN = 20_000;

/** JSON with a line for each field, where it is JSON; any other text as it is. */
export function readable(text: string): string {
  if (text.length > MAX_LAID_OUT) return `${text.slice(0, MAX_SHOWN)}…`;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
