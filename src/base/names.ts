/** The nearest of some names, for errors that name a valid choice. */
export function nearestName(name: string, names: readonly string[]): string {
  const distances = names.map((other) => distance(plain(name), plain(other)));
  return names[distances.indexOf(Math.min(...distances))];
}

/** " (did you mean …?)" for the nearest name that differs by a third of its letters at most (two of a short one); "" where none is near. */
export function didYouMean(name: string, names: readonly string[]): string {
  const others = names.filter((other) => other !== name);
  if (others.length === 0) return "";
  const near = nearestName(name, others);
  return distance(plain(name), plain(near)) <= Math.max(2, Math.floor(name.length / 3))
    ? ` (did you mean ${near}?)`
    : "";
}

/** Longest part of a name that is compared: names come from outside, and the distance takes time by length squared. */
const MAX_COMPARED = 64;

/** Case and separators are what people mistake most: they count for nothing. */
const plain = (name: string): string => name.slice(0, MAX_COMPARED).toLowerCase().replaceAll(/[-_]/g, "");

/** Levenshtein distance: the fewest letters to insert, remove or replace. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
