/** scripts/setup.mjs on a copy of the project with stand-ins for npm, node-gyp and the compiler. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let dir: string;
let bin: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-setup-"));
  bin = join(dir, "bin");
  for (const folder of ["scripts", "native", "bin"]) mkdirSync(join(dir, folder));
  // The only tools on the PATH are the stand-ins and what they need.
  symlinkSync("/bin/mkdir", join(bin, "mkdir"));
  cpSync(join(root, "scripts/setup.mjs"), join(dir, "scripts/setup.mjs"));
  writeFileSync(join(dir, "package-lock.json"), "{}");
  writeFileSync(join(dir, "binding.gyp"), "{}");
  writeFileSync(join(dir, "native/a.cc"), "int a;");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function command(name: string, script = "exit 0"): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** npm that installs a node-gyp which "builds" by copying the source. */
function fakeNpm(): void {
  const gyp = `const {mkdirSync,copyFileSync}=require("fs");mkdirSync("build/Release",{recursive:true});copyFileSync("native/a.cc","build/Release/shoal.node");`;
  command(
    "npm",
    `mkdir -p node_modules/node-gyp/bin && printf '%s' '${gyp}' > node_modules/node-gyp/bin/node-gyp.js && echo installed >> npm.log`,
  );
}

function setup() {
  const { status, stderr } = spawnSync(process.execPath, [join(dir, "scripts/setup.mjs")], {
    cwd: dir,
    encoding: "utf8",
    env: { PATH: bin, HOME: dir },
  });
  return { status, lines: stderr.split("\n").filter(Boolean) };
}

function compiler(): void {
  for (const name of ["g++", "make", "python3"]) command(name);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("setup", () => {
  it("installs and builds once, then says nothing", () => {
    fakeNpm();
    compiler();
    const first = setup();
    expect(first.status).toBe(0);
    expect(first.lines.join("\n")).toMatch(/Installed packages.*\n.*\nBuilt the native kernels/);
    expect(setup()).toEqual({ status: 0, lines: [] });
    expect(readFileSync(join(dir, "npm.log"), "utf8")).toBe("installed\n");
  });

  it("builds again when a source changes, and installs again when the lock file does", () => {
    fakeNpm();
    compiler();
    setup();
    writeFileSync(join(dir, "native/a.cc"), "int b;");
    expect(setup().lines.join()).toContain("Built the native kernels");
    expect(readFileSync(join(dir, "build/Release/shoal.node"), "utf8")).toBe("int b;");
    writeFileSync(join(dir, "package-lock.json"), '{"a":1}');
    expect(setup().lines.join()).toContain("Installed packages");
  });

  it("without a compiler says so in one line and goes on", () => {
    fakeNpm();
    command("make");
    expect(setup().status).toBe(0);
    const again = setup();
    expect(again.status).toBe(0);
    expect(again.lines).toHaveLength(1);
    expect(again.lines[0]).toMatch(/^No native kernels: a C\+\+ compiler, python3 not found/);
    expect(existsSync(join(dir, "build/Release/shoal.node"))).toBe(false);
  });

  it("when compiling fails names the log and goes on", () => {
    compiler();
    command(
      "npm",
      `mkdir -p node_modules/node-gyp/bin && echo 'console.error("a.cc: error: no"); process.exit(1)' > node_modules/node-gyp/bin/node-gyp.js`,
    );
    const { status, lines } = setup();
    expect(status).toBe(0);
    expect(lines.at(-1)).toMatch(/failed \(a\.cc: error: no; all of it in build\/native\.log\)/);
  });

  it("builds the site once, and again when a source of it changes", () => {
    fakeNpm();
    compiler();
    mkdirSync(join(dir, "web"));
    writeFileSync(join(dir, "web/vite.config.ts"), "a");
    mkdirSync(join(dir, "node_modules/vite/bin"), { recursive: true });
    const vite = `require("fs").mkdirSync("dist/web",{recursive:true});require("fs").appendFileSync("vite.log",process.argv.slice(2).join(" ")+"\\n");`;
    writeFileSync(join(dir, "node_modules/vite/bin/vite.js"), vite);
    expect(setup().lines.at(-1)).toContain("Built the chat site");
    expect(setup().lines).toEqual([]);
    writeFileSync(join(dir, "web/vite.config.ts"), "b");
    expect(setup().lines.at(-1)).toContain("Built the chat site");
    expect(readFileSync(join(dir, "vite.log"), "utf8")).toBe("build --config web/vite.config.ts\n".repeat(2));
  });

  it("when the site cannot be built names the log and goes on", () => {
    fakeNpm();
    compiler();
    mkdirSync(join(dir, "web"));
    writeFileSync(join(dir, "web/vite.config.ts"), "a");
    mkdirSync(join(dir, "node_modules/vite/bin"), { recursive: true });
    writeFileSync(join(dir, "node_modules/vite/bin/vite.js"), `console.error("error: no such file"); process.exit(1)`);
    const { status, lines } = setup();
    expect(status).toBe(0);
    expect(lines.at(-1)).toMatch(/site failed \(error: no such file; all of it in build\/site\.log\)/);
  });

  it("when installing fails exits 1 with the reason", () => {
    command("npm", "echo 'npm error network is down' >&2; exit 1");
    const { status, lines } = setup();
    expect(status).toBe(1);
    expect(lines.at(-1)).toContain("npm error network is down");
  });

  it("on Ctrl-C ends what it started, leaves no lock and exits 130", async () => {
    compiler();
    command(
      "npm",
      `mkdir -p node_modules/node-gyp/bin && echo 'require("fs").writeFileSync("gyp.pid", String(process.pid)); setInterval(() => {}, 1000)' > node_modules/node-gyp/bin/node-gyp.js`,
    );
    const started = spawn(process.execPath, [join(dir, "scripts/setup.mjs")], {
      cwd: dir,
      env: { PATH: bin, HOME: dir },
    });
    let said = "";
    started.stderr.on("data", (text) => (said += text));
    const compiling = join(dir, "gyp.pid");
    await expect.poll(() => existsSync(compiling) && readFileSync(compiling, "utf8"), { timeout: 20_000 }).toBeTruthy();
    const ended = new Promise((resolve) => started.on("close", resolve));
    started.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(said).toMatch(/\nStopped before everything was built; run the same command again\.\n$/);
    expect(said).not.toMatch(/failed|chat site/);
    expect(existsSync(join(dir, ".setup.lock"))).toBe(false);
    const pid = Number(readFileSync(compiling, "utf8"));
    await expect.poll(() => isRunning(pid)).toBe(false);
  });

  it("takes over the lock of a set-up that died", () => {
    fakeNpm();
    compiler();
    mkdirSync(join(dir, ".setup.lock"));
    writeFileSync(join(dir, ".setup.lock/pid"), "999999999");
    utimesSync(join(dir, ".setup.lock"), 0, 0);
    expect(setup().status).toBe(0);
    expect(existsSync(join(dir, ".setup.lock"))).toBe(false);
  });
});
