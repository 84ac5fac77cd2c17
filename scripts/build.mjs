/** `npm run build`: JavaScript and declarations of src/ in dist/, beside the built site, and nothing left of an earlier build. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
for (const name of existsSync(dist) ? readdirSync(dist) : [])
  if (name !== "web") rmSync(join(dist, name), { recursive: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
process.exit(spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" }).status);
