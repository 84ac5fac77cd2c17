import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { isThere, readRegular, readRegularJson, readRegularText } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-regular-"));
afterAll(() => rmSync(dir, { recursive: true }));
const at = (name: string) => join(dir, name);

describe.skipIf(process.platform === "win32")(
  "what is no file is refused in one line, and nothing waits for it",
  () => {
    it.each<[string, (path: string) => void, RegExp]>([
      ["a pipe", (path) => execFileSync("mkfifo", [path]), /is a named pipe/],
      ["a link to a pipe", (path) => symlinkSync(at("a pipe"), path), /is a named pipe/],
      ["a device without end", (path) => symlinkSync("/dev/zero", path), /is a device/],
      ["a link to nowhere", (path) => symlinkSync(at("nowhere"), path), /is a link to a file that is not there/],
      ["a link to itself", (path) => symlinkSync(path, path), /cannot be read \(ELOOP\)/],
      ["a folder", (path) => mkdirSync(path), /is a folder/],
    ])("%s", (name, make, message) => {
      make(at(name));
      expect(isThere(at(name))).toBe(true);
      for (const read of [readRegular, readRegularText, readRegularJson]) {
        expect(() => read(at(name), 100)).toThrow(message);
        expect(() => read(at(name), 100)).toThrow(/^[^\n]+$/);
      }
    });

    it("a socket", async () => {
      const server = createServer().listen(at("s"));
      await new Promise((resolve) => server.once("listening", resolve));
      expect(() => readRegular(at("s"), 100)).toThrow(/is a socket/);
      await new Promise((resolve) => server.close(resolve));
    });
  },
);

it("reads up to the limit, and says what else is wrong", () => {
  writeFileSync(at("good"), '\ufeff{"a": "é"}');
  expect(readRegularJson(at("good"), 14)).toEqual({ a: "é" });
  expect(() => readRegular(at("good"), 12)).toThrow(/good: larger than 12 bytes/);
  writeFileSync(at("bytes"), Uint8Array.of(0xff));
  expect(() => readRegularText(at("bytes"), 9)).toThrow(/is not UTF-8 text/);
  writeFileSync(at("list"), "[]");
  expect(() => readRegularJson(at("list"), 9)).toThrow(/expected a JSON object/);
  expect(() => readRegular(at("none"), 9)).toThrow(/none: there is no such file/);
});
