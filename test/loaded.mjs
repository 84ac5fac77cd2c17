/** Prints what importing a module loads, as JSON: `node loaded.mjs FILE`. */
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

const urls = new Set();
registerHooks({
  load(url, context, next) {
    urls.add(url);
    return next(url, context);
  },
});
await import(pathToFileURL(process.argv[2]).href);
console.log(JSON.stringify([...urls].filter((url) => url.startsWith("file:"))));
process.exit();
