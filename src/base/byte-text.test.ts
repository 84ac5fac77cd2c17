import { expect, it } from "vitest";
import { bytesText } from "./byte-text.ts";

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [999_600, "1.0 MB"],
  [16_843_210_000, "16.8 GB"],
  [378e9, "378 GB"],
  [2.05e12, "2.0 TB"],
])("%d bytes read %s", (bytes, text) => expect(bytesText(bytes)).toBe(text));
