/** Shoal as a library, whole. Each part has an entry of its own (`shoal/infer`, …), which loads nothing of the others. */
export * from "./data.ts";
export * from "./infer.ts";
export * from "./plan.ts";
export * from "./serve.ts";
export * from "./train.ts";
