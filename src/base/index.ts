/** What every room needs and no room owns. */
export { InputError } from "./errors.ts";
export { didYouMean, distance, nearestName } from "./names.ts";
export { Random } from "./random.ts";
export { eventData, LONGEST_EVENT } from "./sse.ts";
export { workerFile } from "./worker-file.ts";
