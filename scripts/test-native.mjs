/**
 * `npm run test:native`: the kernels' tests over an addon that checks itself: addresses and undefined behavior by the compiler's sanitizers, and the
 * assertions that a release build leaves out (SHOAL_DEBUG). It is built beside the ordinary one, in build/sanitized. Arguments go to vitest.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "build", "sanitized");
const compiler = process.env.CXX ?? "g++";
// Checked code shows GCC the undefined vectors that its own intrinsics begin with: thousands of warnings, none of ours.
const quiet = "-Wno-uninitialized -Wno-maybe-uninitialized -Wno-unknown-warning-option";
const flags = `-O1 -g -DSHOAL_DEBUG -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all ${quiet}`;

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) console.error(String(error));
  if (status !== 0) process.exit(status ?? 1);
}

/** The sanitizer's library, which must be there before anything else of the process. */
function library() {
  const name = /clang/.test(compiler) ? "libclang_rt.asan-x86_64.so" : "libasan.so";
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" });
  return stdout.trim();
}

// The same description of the build in another folder, since node-gyp builds in the folder that it stands in.
mkdirSync(folder, { recursive: true });
for (const name of ["binding.gyp", "native"])
  if (!existsSync(join(folder, name))) symlinkSync(join(root, name), join(folder, name));
const nodedir = [process.env.npm_config_nodedir, join(dirname(process.execPath), ".."), "/usr", "/usr/local"].find(
  (candidate) => candidate && existsSync(join(candidate, "include", "node", "node_api.h")),
);
const gyp = [join(root, "node_modules", "node-gyp", "bin", "node-gyp.js"), "-C", folder];
const built = { env: { ...process.env, CXXFLAGS: flags, LDFLAGS: "-fsanitize=address,undefined" } };
const where = nodedir ? [`--nodedir=${nodedir}`] : [];
run(process.execPath, [...gyp, "configure", ...where], built);
run(process.execPath, [...gyp, "build", "-j", "max", ...where], built);
run(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "src/tensor",
    "--maxWorkers=2",
    "--testTimeout=600000",
    ...process.argv.slice(2),
  ],
  {
    env: {
      ...process.env,
      SHOAL_ADDON: join(folder, "build", "Release", "shoal.node"),
      LD_PRELOAD: library(),
      // Node keeps what it has until the end, and has handlers of its own for addresses that are not there.
      ASAN_OPTIONS: "detect_leaks=0:allow_user_segv_handler=1",
      UBSAN_OPTIONS: "print_stacktrace=1",
    },
  },
);
