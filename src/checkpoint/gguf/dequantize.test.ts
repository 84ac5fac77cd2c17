import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openSafetensors } from "../safetensors.ts";
import { BLOCK_TYPES } from "./block-types.ts";
import { dequantize, isReadable, READABLE } from "./dequantize.ts";
import { openGguf } from "./gguf-file.ts";

const goldens = fileURLToPath(new URL("../../../test/goldens/gguf", import.meta.url));
const file = openGguf(`${goldens}/blocks.gguf`);

describe("numbers of each type", () => {
  const golden = openSafetensors(`${goldens}/blocks.safetensors`);

  it.each(READABLE)("%s are gguf-py's, bit for bit", (type) => {
    const tensor = file.tensors.get(type.toLowerCase())!;
    expect(tensor.type.name).toBe(type);
    const expected = golden.bytes(tensor.name).slice();
    expect(tensor.shape).toEqual(golden.tensors.get(tensor.name)!.shape);
    const out = new Float32Array(expected.length / 4);
    dequantize(tensor.type, file.bytes(tensor), out, "x");
    expect(new Uint8Array(out.buffer)).toEqual(expected);
  });

  it("that Shoal does not read are refused by name, with those that it reads", () => {
    const others = [...BLOCK_TYPES.values()].filter((type) => !isReadable(type));
    expect(others.length).toBe(BLOCK_TYPES.size - READABLE.length);
    for (const type of others) {
      const bytes = new Uint8Array(type.bytes);
      const read = () => dequantize(type, bytes, new Float32Array(type.numbers), 'm.gguf: tensor "a"');
      expect(read).toThrow(`m.gguf: tensor "a" is ${type.name}, which Shoal does not read; it reads F32, F16, Q4_0,`);
    }
  });
});

it("metadata of every kind comes as gguf-py wrote it", () => {
  const test = Object.fromEntries([...file.metadata].filter(([key]) => key.startsWith("test.")));
  expect(test).toEqual({
    "test.u8": 200,
    "test.i8": -100,
    "test.u16": 60000,
    "test.i16": -30000,
    "test.u32": 4_000_000_000,
    "test.i32": -2_000_000_000,
    "test.f32": Math.fround(0.1),
    "test.bool": true,
    "test.text": "é 🐟\n",
    "test.u64": 2n ** 63n + 1n,
    "test.i64": -(2n ** 53n),
    "test.f64": 0.1,
    "test.texts": ["", "a", "｜"],
    "test.numbers": [1, -2, 3],
  });
  expect(file.metadata.get("general.architecture")).toBe("test");
});
