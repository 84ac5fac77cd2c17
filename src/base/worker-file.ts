/** The file of a worker thread beside the module that starts it: TypeScript in a clone, JavaScript once built. */
export const workerFile = (name: string, importMetaUrl: string): URL =>
  new URL(`./${name}${importMetaUrl.endsWith(".ts") ? ".ts" : ".js"}`, importMetaUrl);
