/**
 * Whether a key belongs to a word that is being composed (Chinese, Japanese, Korean): Enter then takes a suggestion, and Escape leaves it. Safari
 * ends the composition before it sends the key, which then only its code (229) tells from any other Enter.
 */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229;
