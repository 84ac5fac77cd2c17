/** Writes the generated headers of `native/` anew: `npm run contract`, after a contract has changed. */
import { writeFileSync } from "node:fs";
import { headers } from "./header.ts";

const native = new URL("../../../native/", import.meta.url);
for (const [path, text] of Object.entries(headers())) writeFileSync(new URL(path, native), text);
