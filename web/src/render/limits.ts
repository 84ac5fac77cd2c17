/** What the renderer is willing to take on. Beyond a limit text is shown as it is, which costs next to nothing. */
export const LIMITS = {
  /** Characters of Markdown that are parsed in one go. */
  text: 200_000,
  /** Quotes and lists inside each other. */
  nesting: 24,
  /** Characters of HTML of one block. */
  html: 300_000,
  /** Characters of code that are coloured. */
  highlight: 30_000,
  /** Characters of one formula; how often its macros may expand; the largest length it may ask for, in em. */
  tex: 3_000,
  texExpansions: 200,
  texSize: 12,
  /** Formulas of one message. */
  formulas: 400,
  /** Milliseconds that the worker may think about one message before it is put down. */
  patience: 2_000,
  /** Combining marks on one letter: more cost layout dearly and climb over the lines above. */
  marks: 12,
  /** Characters of plain text that are laid out at first, and more at each wish for more. */
  plain: 20_000,
} as const;
