"""Writes a tiny GGUF file with blocks of every type that Shoal reads, and what gguf-py makes of them in f32.

usage: make_gguf_goldens.py OUT_DIR

blocks.gguf: metadata of every kind under `test.`, and one tensor of each type, [2, 256] or of two blocks in two rows: the first row is quantised by
gguf-py from normal numbers where it can do so, all else are random bits behind scales that are finite (subnormal and negative ones among them).
blocks.safetensors: the same tensors in F32 as gguf-py dequantises them. gguf-py has no Q8_K: its numbers are scale · code, computed here.
"""
import os, sys
import numpy as np
import gguf
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(18)
QUANTISES = {T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.BF16, T.F16, T.F32, T.MXFP4}
# Offsets of scales in f16.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2],
          T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0]}
TYPES = [T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.Q8_K, T.IQ4_NL, T.IQ4_XS, T.MXFP4]
SCALES = np.array([0.0123, -0.5, 6e-8, 1.7, -3e-5, 300.0, 0.0, 0.0071], dtype=np.float16)

def random_row(kind, columns):
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (columns // numbers, size), dtype=np.uint8)
    for at in HALVES.get(kind, []):
        blocks[:, at:at + 2] = rng.choice(SCALES, (len(blocks), 1)).view(np.uint8)
    if kind == T.Q8_K: blocks[:, 0:4] = rng.normal(0, 0.1, (len(blocks), 1)).astype(np.float32).view(np.uint8)
    if kind == T.MXFP4: blocks[:, 0] = rng.integers(100, 140, len(blocks))
    return blocks.reshape(-1)

writer = gguf.GGUFWriter(os.path.join(out, "blocks.gguf"), "test")
writer.add_uint8("test.u8", 200); writer.add_int8("test.i8", -100); writer.add_uint16("test.u16", 60000); writer.add_int16("test.i16", -30000)
writer.add_uint32("test.u32", 4_000_000_000); writer.add_int32("test.i32", -2_000_000_000); writer.add_float32("test.f32", 0.1); writer.add_bool("test.bool", True)
writer.add_string("test.text", "é 🐟\n"); writer.add_uint64("test.u64", 2**63 + 1); writer.add_int64("test.i64", -2**53); writer.add_float64("test.f64", 0.1)
writer.add_array("test.texts", ["", "a", "｜"]); writer.add_array("test.numbers", [1, -2, 3])
golden = {}
for kind in TYPES:
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    columns = max(numbers, 64) * (2 if numbers == 256 else 1)
    plain = rng.normal(0, 0.05, (2, columns)).astype(np.float32)
    if kind in (T.F32, T.F16, T.BF16):
        plain[1, :6] = [0, -0.0, 65504 if kind == T.F16 else 3e38, 6e-8, -1e-7, 1.5]
        data = gguf.quantize(plain, kind)
    else:
        first = gguf.quantize(plain[:1], kind).reshape(-1) if kind in QUANTISES else random_row(kind, columns)
        data = np.stack([first, random_row(kind, columns)])
    name = kind.name.lower()
    if kind in (T.F32, T.F16): writer.add_tensor(name, data)
    else: writer.add_tensor(name, np.ascontiguousarray(data).view(np.uint8).reshape(2, -1), raw_dtype=kind)
    if kind == T.Q8_K:
        blocks = data.reshape(-1, size)
        golden[name] = (blocks[:, :4].copy().view(np.float32) * blocks[:, 4:260].view(np.int8).astype(np.float32)).reshape(2, columns)
    else:
        golden[name] = gguf.dequantize(np.ascontiguousarray(data).view(np.uint8).reshape(2, -1) if kind not in (T.F32, T.F16) else data, kind).reshape(2, columns).astype(np.float32)
    assert np.isfinite(golden[name]).all(), name
writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()
save_file({name: np.ascontiguousarray(values) for name, values in golden.items()}, os.path.join(out, "blocks.safetensors"))
