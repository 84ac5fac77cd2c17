/** Machines: peaks without sparsity, memory, bandwidth, links, power, rent. A user's file adds to them. */
import { z } from "zod";
import { InputError, nearestName } from "../base/index.ts";

export interface Hardware {
  name: string;
  year: number;
  /** Dense peak, FLOP/s; null where the unit does not exist. */
  bf16: number;
  fp8: number | null;
  /** Memory, bytes, and its bandwidth, bytes/s. */
  memory: number;
  bandwidth: number;
  /** To neighbours of the same machine, and to other machines, bytes/s in one direction per device. */
  link: number;
  network: number;
  /** Board power, W. */
  power: number;
  /** Rent, US$ per device and hour (for CPUs: per core and hour). */
  price: number;
  /** Devices in a machine. */
  perNode: number;
  kind: "gpu" | "cpu" | "apple";
  source: string;
}

const gpu = (
  name: string,
  year: number,
  [bf16, fp8, gigabytes, tbs, linkGbs, networkGbs]: [number, number | null, number, number, number, number],
  power: number,
  price: number,
  source: string,
  perNode = 8,
): Hardware => ({
  name,
  year,
  bf16: bf16 * 1e12,
  fp8: fp8 === null ? null : fp8 * 1e12,
  memory: gigabytes * 1e9,
  bandwidth: tbs * 1e12,
  link: linkGbs * 1e9,
  network: networkGbs * 1e9,
  power,
  price,
  perNode,
  kind: "gpu",
  source,
});

/** Prices are of rented GPUs in 2024–2025, round figures; V3's own $2 for the H800. Give --price for yours. */
export const HARDWARE: readonly Hardware[] = [
  gpu("V100", 2017, [125, null, 32, 0.9, 150, 12.5], 300, 0.5, "NVIDIA V100 data sheet (fp16)"),
  gpu("A100-40", 2020, [312, null, 40, 1.555, 300, 25], 400, 1.1, "NVIDIA A100 data sheet"),
  gpu("A100", 2020, [312, null, 80, 2.039, 300, 25], 400, 1.3, "NVIDIA A100 80 GB data sheet"),
  gpu("A800", 2022, [312, null, 80, 2.039, 200, 25], 400, 1.1, "A100 with its link cut to 400 GB/s"),
  gpu("H100", 2022, [989, 1979, 80, 3.35, 450, 50], 700, 2, "NVIDIA H100 SXM data sheet"),
  gpu(
    "H800",
    2023,
    [989, 1979, 80, 3.35, 160, 50],
    700,
    2,
    "DeepSeek-V3 report, sections 3.1 and 3.2.2: NVLink 160 GB/s, InfiniBand 50 GB/s",
  ),
  gpu("H200", 2024, [989, 1979, 141, 4.8, 450, 50], 700, 2.5, "NVIDIA H200 data sheet"),
  gpu("B200", 2024, [2250, 4500, 180, 7.7, 900, 50], 1000, 4, "NVIDIA DGX B200 data sheet"),
  gpu("MI300X", 2023, [1307, 2615, 192, 5.3, 448, 50], 750, 2, "AMD Instinct MI300X data sheet"),
  gpu("RTX3090", 2020, [71, null, 24, 0.936, 16, 3], 350, 0.2, "NVIDIA GA102 whitepaper (fp16, f32 sums)", 1),
  gpu("RTX4090", 2022, [165, 330, 24, 1.008, 16, 3], 450, 0.35, "NVIDIA Ada whitepaper (f32 sums)", 1),
  gpu("RTX5090", 2025, [210, 419, 32, 1.792, 32, 3], 575, 0.5, "NVIDIA Blackwell whitepaper (f32 sums)", 1),
  {
    ...gpu(
      "M2-Ultra",
      2023,
      [54, null, 192, 0.8, 10, 1.2],
      215,
      0.4,
      "Apple: 27 TF f32 of the GPU, 54 in half precision",
      1,
    ),
    kind: "apple",
  },
  {
    ...gpu("M4-Max", 2024, [34, null, 128, 0.546, 10, 1.2], 140, 0.3, "Apple M4 Max, GPU in half precision", 1),
    kind: "apple",
  },
  cpu(
    "CPU-AVX2",
    2015,
    0.05,
    "a core at 3 GHz: 2 × 8 f32 multiply-adds a cycle, about 0.1 TF, half of it in bf16 products that are widened first",
  ),
  cpu("CPU-AVX512", 2022, 0.2, "a core at 3.2 GHz with AVX-512 BF16: 2 × 32 multiply-adds a cycle"),
  cpu(
    "CPU-AMX",
    2023,
    1.6,
    "a core of Sapphire Rapids with AMX: 1,024 bf16 multiply-adds a cycle, clocked down under load",
  ),
];

function cpu(name: string, year: number, teraflops: number, source: string): Hardware {
  // Memory and bandwidth: a core's share of a server.
  const base = gpu(name, year, [teraflops, null, 8, 0.008, 0.008, 1.2], 6, 0.02, source, 64);
  return { ...base, kind: "cpu" };
}

const fileSchema = z.array(
  z.strictObject({
    name: z.string().min(1),
    year: z.int().default(2025),
    bf16: z.number().positive(),
    fp8: z.number().positive().nullable().default(null),
    memory: z.number().positive(),
    bandwidth: z.number().positive(),
    link: z.number().positive().default(16e9),
    network: z.number().positive().default(3e9),
    power: z.number().positive().default(400),
    price: z.number().min(0).default(0),
    perNode: z.int().positive().default(8),
    kind: z.enum(["gpu", "cpu", "apple"]).default("gpu"),
    source: z.string().default("your file"),
  }),
);

/** Machines of a user's file (a list of `Hardware` in JSON), which stand before the built-in ones. @throws InputError naming entry and field */
export function parseHardware(json: unknown, where: string): Hardware[] {
  const parsed = fileSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError(
    `${where}: ${issue.path.join(".") || "the file"}: ${issue.message} (a list of {name, bf16, memory, bandwidth, …} in FLOP/s, bytes and bytes/s)`,
  );
}

/** The machine of that name; letter case, blanks and hyphens do not matter. @throws InputError with the nearest name */
export function findHardware(name: string, more: readonly Hardware[] = []): Hardware {
  const plain = (text: string) => text.toLowerCase().replace(/[\s_-]|80gb|nvidia|geforce/g, "");
  const all = [...more, ...HARDWARE];
  const found = all.find((hardware) => plain(hardware.name) === plain(name));
  if (found) return found;
  const names = all.map((hardware) => hardware.name);
  throw new InputError(
    `--gpu ${JSON.stringify(name)} is not known; the nearest is ${nearestName(name, names)} (known: ${names.join(", ")}; --hardware FILE adds more)`,
  );
}
