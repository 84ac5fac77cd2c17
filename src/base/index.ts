/** What every room needs and no room owns. */
export { bytesText } from "./byte-text.ts";
export { within } from "./deadline.ts";
export { InputError } from "./errors.ts";
export { type FileLock, lockFile } from "./file-lock.ts";
export { makeFolder, unwritable, whyNotWritten } from "./folders.ts";
export { didYouMean, distance, nearestName } from "./names.ts";
export { Random } from "./random.ts";
export {
  checkRegular,
  isThere,
  readRegular,
  readRegularJson,
  readRegularText,
  unreadable,
} from "./regular-file.ts";
export { eventData, LONGEST_EVENT } from "./sse.ts";
export { workerFile } from "./worker-file.ts";
