/** The figures as JSON: what is not known is null. */
import type { Figures } from "./figures.ts";

export function figuresToJson(figures: Figures): Record<string, unknown> {
  const { validation, ...rest } = figures;
  return {
    ...rest,
    validation: validation && { ...validation, bySlice: Object.fromEntries(validation.bySlice) },
  };
}
