/** What another server sent, read without trust: nothing in it is taken to be there, or to be of its type. */

export type Json = { [field: string]: Json } & { [index: number]: Json } & unknown;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const object = (value: unknown): Json => (isObject(value) ? value : ({} as Json));

export const list = (value: unknown): Json[] => (Array.isArray(value) ? value : []);

export const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** A number that is one, or null. */
export const number = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

/** How many: a whole number from 0, or null. */
export function count(value: unknown): number | null {
  const given = number(value);
  return given !== null && given >= 0 && given <= Number.MAX_SAFE_INTEGER ? Math.floor(given) : null;
}
