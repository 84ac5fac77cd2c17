/**
 * Makes a clone ready to run: installs packages where they are missing or older than the lock file, and builds the native addon where it is
 * missing or older than its sources, and the chat site likewise. Runs on whatever Node the system has (20 or later) and needs no package itself.
 * With everything in place it says nothing and takes a few milliseconds.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const installStamp = join(root, "node_modules", ".shoal-lock");
const buildStamp = join(root, "build", ".shoal-sources");
const buildLog = join(root, "build", "native.log");
const addon = join(root, "build", "Release", "shoal.node");
const siteStamp = join(root, "dist", "web", ".shoal-sources");
const siteLog = join(root, "build", "site.log");
const lock = join(root, ".setup.lock");

const say = (line) => process.stderr.write(`${line}\n`);
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest("hex");
const read = (path) => (existsSync(path) ? readFileSync(path, "utf8") : null);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(0)} s`;
const isTerminal = process.stderr.isTTY === true;

/** The program that runs now, to be ended with us. */
let child = null;

/** Runs a program to its end, without blocking, so that Ctrl-C is heard: in a group of its own, which ends as a whole when we do. */
function run(command, args, onOutput = () => {}) {
  return new Promise((resolve) => {
    const result = { status: null, stdout: "", stderr: "", error: null };
    const grouped = process.platform !== "win32";
    child = spawn(command, args, {
      cwd: root,
      env: cleanEnvironment(),
      detached: grouped,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const name of ["stdout", "stderr"])
      child[name].setEncoding("utf8").on("data", (text) => {
        result[name] += text;
        onOutput(result);
      });
    const end = (fields) => {
      child = null;
      resolve({ ...result, ...fields });
    };
    child.on("error", (error) => end({ error }));
    child.on("close", (status) => end({ status }));
  });
}

/** Ends what runs, with all that it started. */
function interrupt() {
  if (child) {
    try {
      process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGTERM");
    } catch {
      // It has just ended by itself.
    }
  }
  say(`${isTerminal ? "\r\x1b[K" : ""}Stopped before everything was built; run the same command again.`);
  process.exit(130);
}

/** What node_modules should be made from. */
function installKey() {
  return hash(readFileSync(join(root, "package-lock.json")), process.platform, process.arch);
}

/** What the addon should be made from. */
function buildKey() {
  const sources = readdirSync(join(root, "native"), { recursive: true })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort();
  return hash(
    process.platform,
    process.arch,
    ...contents(["binding.gyp", ...sources.map((name) => join("native", name))]),
  );
}

/** What the site should be made from; null in a package without its sources, which brings the site built. */
function siteKey() {
  if (!existsSync(join(root, "web", "vite.config.ts"))) return null;
  const own = readdirSync(join(root, "web"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
  const shared = ["src/serve/wire.ts", "src/infer/engine.ts"].filter((name) => existsSync(join(root, name)));
  return hash(readFileSync(join(root, "package-lock.json")), ...contents([...own, ...shared]));
}

const contents = (names) => names.flatMap((name) => [name, readFileSync(join(root, name))]);

async function install() {
  const key = installKey();
  if (read(installStamp) === key) return;
  // npm run by hand leaves no stamp of ours; its own is as good when it is newer than the lock file.
  const own = join(root, "node_modules", ".package-lock.json");
  if (
    !existsSync(installStamp) &&
    existsSync(own) &&
    statSync(own).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs
  ) {
    writeFileSync(installStamp, key);
    return;
  }
  say("Installing packages …");
  const started = Date.now();
  const npm = process.env.npm_execpath;
  const [command, first] = npm ? [process.execPath, [npm]] : ["npm", []];
  const attempt = (...args) => run(command, [...first, ...args, "--no-audit", "--no-fund"]);
  let result = await attempt("ci");
  // A registry that lacks some other platform's optional package makes the lock file look stale; install then fits what there is.
  if (/EUSAGE/.test(result.stderr)) result = await attempt("install", "--no-save");
  if (result.status !== 0) {
    const reason = `${result.stderr}${result.error ?? ""}`
      .trim()
      .split("\n")
      .filter((line) => !/npm warn/.test(line))
      .slice(0, 3)
      .join(" ");
    say(`Installing packages failed: ${reason}`);
    process.exit(1);
  }
  writeFileSync(installStamp, key);
  say(`Installed packages in ${seconds(started)}.`);
}

/** The environment without what npm put there for this script, which would steer the inner npm. */
function cleanEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^npm_(lifecycle|package|config_(?!registry|cache|userconfig|globalconfig|prefix|nodedir))/.test(name),
    ),
  );
}

function onPath(...names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.some((name) => folders.some((folder) => folder && existsSync(join(folder, name))));
}

/** A folder with include/node/node_api.h: the running Node's own, or the system's. */
function headers() {
  const candidates = [process.env.npm_config_nodedir, join(dirname(process.execPath), ".."), "/usr", "/usr/local"];
  return candidates.find((folder) => folder && existsSync(join(folder, "include", "node", "node_api.h"))) ?? null;
}

/** Rewrites a line on a terminal with how many files are compiled and, once that can be told, how long the others will take. */
function compilingLine(started) {
  let total = 0;
  let shown = 0;
  return ({ stdout }) => {
    const begun = stdout.match(/^ +(CXX|CC)\(/gm)?.length ?? 0;
    if (!isTerminal || begun === shown) return;
    shown = begun;
    total ||= contents(
      readdirSync(join(root, "build"))
        .filter((name) => name.endsWith(".target.mk"))
        .map((name) => join("build", name)),
    ).reduce((sum, text) => sum + (String(text).match(/\.o( \\)?$/gm)?.length ?? 0), 0);
    const left = ((Date.now() - started) / begun) * (total - begun);
    const time =
      begun > 5 && left > 0
        ? `, about ${left > 90_000 ? `${Math.round(left / 60_000)} min` : `${Math.round(left / 1000)} s`} left`
        : "";
    process.stderr.write(`\r\x1b[KBuilding the native kernels: file ${begun} of ${Math.max(total, begun)}${time}`);
  };
}

async function build() {
  const key = buildKey();
  if (read(buildStamp) === key && existsSync(addon)) return;
  const missing = [
    onPath("c++", "g++", "clang++") ? null : "a C++ compiler",
    onPath("make", "gmake") ? null : "make",
    onPath("python3", "python") ? null : "python3",
  ].filter(Boolean);
  if (missing.length > 0) {
    // An addon of older sources may not fit the code any more.
    rmSync(addon, { force: true });
    say(
      `No native kernels: ${missing.join(", ")} not found, so Shoal runs on its slow reference kernels (Debian: apt-get install g++ make python3).`,
    );
    return;
  }
  say("Building the native kernels, once: a minute on a fast computer, some on two cores …");
  const started = Date.now();
  mkdirSync(join(root, "build"), { recursive: true });
  const nodedir = headers();
  const gyp = join(root, "node_modules", "node-gyp", "bin", "node-gyp.js");
  const args = [gyp, "rebuild", "-j", "max", ...(nodedir ? [`--nodedir=${nodedir}`] : [])];
  const result = await run(process.execPath, args, compilingLine(started));
  if (isTerminal) process.stderr.write("\r\x1b[K");
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(buildLog, `${result.stdout}${result.stderr}`);
  if (result.status !== 0 || !existsSync(addon)) {
    const why = result.stderr.split("\n").find((line) => /error/i.test(line)) ?? String(result.error ?? "unknown");
    say(
      `Building the native kernels failed (${why.trim().slice(0, 160)}; all of it in build/native.log), so Shoal runs on its slow reference kernels.`,
    );
    return;
  }
  writeFileSync(buildStamp, key);
  say(`Built the native kernels in ${seconds(started)}.`);
}

async function buildSite() {
  const key = siteKey();
  if (key === null || read(siteStamp) === key) return;
  say("Building the chat site …");
  const started = Date.now();
  // The site's tools may want a newer Node than the system's.
  const own = join(root, "node_modules", "node", "bin", "node");
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  const result = await run(existsSync(own) ? own : process.execPath, [
    vite,
    "build",
    "--config",
    join("web", "vite.config.ts"),
  ]);
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(siteLog, `${result.stdout}${result.stderr}`);
  if (result.status !== 0) {
    const why = result.stderr.split("\n").find((line) => /error/i.test(line)) ?? String(result.error ?? "unknown");
    say(
      `Building the chat site failed (${why.trim().slice(0, 160)}; all of it in build/site.log); the API works without it.`,
    );
    return;
  }
  writeFileSync(siteStamp, key);
  say(`Built the chat site in ${seconds(started)}.`);
}

/** Two set-ups at once would tread on each other: the second waits for the first, or takes over from one that died. */
async function withLock(work) {
  for (let waited = 0; ; waited += 200) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      const owner = Number(read(join(lock, "pid")));
      const alive = owner > 0 ? isAlive(owner) : Date.now() - mtime(lock) < 5000;
      if (!alive) rmSync(lock, { recursive: true, force: true });
      else if (waited === 0) say("Waiting for another set-up of this folder …");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  writeFileSync(join(lock, "pid"), String(process.pid));
  const unlock = () => rmSync(lock, { recursive: true, force: true });
  process.on("exit", unlock);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, interrupt);
  await work();
  unlock();
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function mtime(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** Ready already: nothing to lock or say. */
function isReady() {
  const site = siteKey();
  return (
    read(installStamp) === installKey() &&
    read(buildStamp) === buildKey() &&
    existsSync(addon) &&
    (site === null || read(siteStamp) === site)
  );
}

if (!isReady()) {
  await withLock(async () => {
    await install();
    await build();
    await buildSite();
  });
}
