import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../base/index.ts";
import { latestState, loadState, removeUnfinishedStates, rotateStates, saveState, setAsideState } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-state-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** A state that can be told from every other. */
function stateOf(step: number, length = 1000) {
  const random = new Random(step);
  return {
    buffers: { w: Float32Array.from({ length }, () => random.normal()), counts: Int32Array.from([step, -1]) },
    json: { step, name: `step ${step}` },
  };
}

const path = (step: number, under: string) => join(dir, under, `step-${String(step).padStart(8, "0")}`);

describe("a state", () => {
  it("comes back bit for bit", () => {
    const state = stateOf(7);
    state.buffers.w.set([Number.NaN, Number.NEGATIVE_INFINITY, -0, 1e-45]);
    expect(loadState(saveState(join(dir, "a"), 7, state))).toEqual({ step: 7, ...state });
  });

  it("the newest is taken; only so many are kept", () => {
    for (const step of [1, 2, 10, 9]) saveState(join(dir, "b"), step, stateOf(step));
    expect(latestState(join(dir, "b"))?.step).toBe(10);
    rotateStates(join(dir, "b"), 2);
    expect(readdirSync(join(dir, "b")).sort()).toEqual(["step-00000009", "step-00000010"]);
    expect(latestState(join(dir, "none"))).toBeNull();
  });

  it.each<[string, (at: string) => void]>([
    [
      "a flipped bit",
      (at) => {
        const file = join(at, "buffers.safetensors");
        const bytes = readFileSync(file);
        bytes[bytes.length - 9] ^= 4;
        writeFileSync(file, bytes);
      },
    ],
    ["a file cut short", (at) => truncateSync(join(at, "buffers.safetensors"), 500)],
    ["no JSON", (at) => writeFileSync(join(at, "state.json"), "{")],
    ["a missing file", (at) => rmSync(join(at, "buffers.safetensors"))],
    [
      "a folder in a file's place",
      (at) => {
        rmSync(join(at, "state.json"));
        mkdirSync(join(at, "state.json"));
      },
    ],
    [
      "a device in a file's place",
      (at) => {
        rmSync(join(at, "state.json"));
        symlinkSync("/dev/zero", join(at, "state.json"));
      },
    ],
  ])("with %s is passed over and reported; the one before it serves", (name, damage) => {
    const under = `damaged ${name}`;
    for (const step of [1, 2]) saveState(join(dir, under), step, stateOf(step));
    damage(path(2, under));
    const reported: string[] = [];
    expect(latestState(join(dir, under), (message) => reported.push(message))).toEqual({ step: 1, ...stateOf(1) });
    expect(reported.length).toBe(1);
    expect(reported[0]).toMatch(/^[^\n]*step-00000002[^\n]*$/);
  });

  it.each([0, 1, 2, 3])("rotation keeps the newest whole ones, whichever of four is damaged (%d)", (bad) => {
    const under = `rotated ${bad}`;
    for (const step of [1, 2, 3, 4]) saveState(join(dir, under), step, stateOf(step));
    truncateSync(join(path(bad + 1, under), "buffers.safetensors"), 500);
    rotateStates(join(dir, under), 1);
    expect(latestState(join(dir, under))).toEqual({ step: bad === 3 ? 3 : 4, ...stateOf(bad === 3 ? 3 : 4) });
    setAsideState(path(4, under));
    if (bad === 3) saveState(join(dir, under), 4, stateOf(4));
    else expect(latestState(join(dir, under))).toBeNull();
  });

  it("in a file's place are one line, and not none", () => {
    writeFileSync(join(dir, "a-file"), "");
    expect(() => latestState(join(dir, "a-file"))).toThrow(/^[^\n]*a-file: is no folder; move it away$/);
  });

  it("that are all damaged are not taken for none, whatever is wrong with them", () => {
    const damage: ((at: string) => void)[] = [
      (at) =>
        writeFileSync(
          join(at, "state.json"),
          readFileSync(join(at, "state.json"), "utf8").replace('"name": "step', '"name": "stop'),
        ),
      (at) => rmSync(join(at, "state.json")),
      (at) => writeFileSync(join(at, "buffers.safetensors"), ""),
      (at) => writeFileSync(join(at, "state.json"), "[]"),
      (at) => {
        rmSync(at, { recursive: true });
        mkdirSync(at);
      },
      (at) => {
        rmSync(at, { recursive: true });
        writeFileSync(at, "a file");
      },
    ];
    for (const [i] of damage.entries()) saveState(join(dir, "all"), i + 1, stateOf(i + 1));
    for (const [i, hurt] of damage.entries()) hurt(path(i + 1, "all"));
    expect(() => latestState(join(dir, "all"))).toThrow(
      /none of the 6 checkpoints is whole .*step-00000006.*; put one back/,
    );
    expect(readdirSync(join(dir, "all")).length).toBe(6);
    rotateStates(join(dir, "all"), 1);
    expect(readdirSync(join(dir, "all")).length).toBe(6);
  });

  it("half written is passed over, and removed by who may", () => {
    saveState(join(dir, "half"), 1, stateOf(1));
    mkdirSync(`${path(2, "half")}.tmp`);
    writeFileSync(join(`${path(2, "half")}.tmp`, "buffers.safetensors"), "half");
    expect(latestState(join(dir, "half"))?.step).toBe(1);
    expect(readdirSync(join(dir, "half")).length).toBe(2);
    removeUnfinishedStates(join(dir, "half"));
    expect(readdirSync(join(dir, "half"))).toEqual(["step-00000001"]);
  });

  it("on a full disk: one line, and the state before stays whole", () => {
    saveState(join(dir, "full"), 1, stateOf(1));
    const saveIntoFull = () => {
      const state = stateOf(2);
      // The second half of the write fails as it would on a full disk.
      Object.defineProperty(state.buffers.w, "buffer", {
        get() {
          throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
        },
      });
      saveState(join(dir, "full"), 2, state);
    };
    expect(saveIntoFull).toThrow(/the disk is full|no space left/);
    expect(readdirSync(join(dir, "full"))).toEqual(["step-00000001"]);
    expect(latestState(join(dir, "full"))).toEqual({ step: 1, ...stateOf(1) });
  });
});

describe("SIGKILL while states are being written", () => {
  const script = join(dir, "writer.ts");
  writeFileSync(
    script,
    `import { saveState, rotateStates } from ${JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)))};
     for (let step = 1; ; step++) {
       saveState(process.argv[2], step, { buffers: { w: new Float32Array(300_000).fill(step) }, json: { step } });
       rotateStates(process.argv[2], 2);
       process.stdout.write(step + "\\n");
     }`,
  );

  it.each([1, 2, 3, 5, 8, 13])("after at least %d states, a whole one is left", async (states) => {
    const under = join(dir, `killed-${states}`);
    mkdirSync(under);
    const child = spawn(process.execPath, [script, under], { stdio: ["ignore", "pipe", "inherit"] });
    let done = 0;
    await new Promise((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        done = Number(chunk.toString().trim().split("\n").at(-1));
        // A moment later, so that the kill falls somewhere into the writing of the next.
        if (done >= states) setTimeout(() => child.kill("SIGKILL"), (states * 7) % 10);
      });
      child.on("close", resolve);
    });
    const state = latestState(under)!;
    expect(state.step).toBeGreaterThanOrEqual(done);
    expect(new Set(state.buffers.w)).toEqual(new Set([state.step]));
    expect(state.json).toEqual({ step: state.step });
  });
});
