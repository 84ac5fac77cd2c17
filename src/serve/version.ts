/** The package's version, from a clone and from an installation alike. */
import { readFileSync } from "node:fs";

const manifest = new URL("../../package.json", import.meta.url);

export const VERSION = (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
