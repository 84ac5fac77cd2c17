import { LIMITS } from "./limits.ts";

const STACKED = new RegExp(`(\\p{M}{${LIMITS.marks}})\\p{M}+`, "gu");

/** Takes the marks away that are stacked too high. */
export const unstack = (text: string): string => text.replace(STACKED, "$1");
