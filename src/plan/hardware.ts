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

/** What the table says of a GPU: dense bf16 and fp8 in TFLOP/s, memory in GB, bandwidth in TB/s, link and network in GB/s, power in W, price in US$ per hour. */
interface GpuFigures {
  peak: [bf16: number, fp8: number | null];
  memory: [gigabytes: number, terabytesPerSecond: number];
  links: [link: number, network: number];
  power: number;
  price: number;
  perNode?: number;
}

const gpu = (name: string, year: number, figures: GpuFigures, source: string): Hardware => {
  const {
    peak: [bf16, fp8],
    memory: [gigabytes, terabytesPerSecond],
    links: [link, network],
    power,
    price,
    perNode = 8,
  } = figures;
  return {
    name,
    year,
    bf16: bf16 * 1e12,
    fp8: fp8 === null ? null : fp8 * 1e12,
    memory: gigabytes * 1e9,
    bandwidth: terabytesPerSecond * 1e12,
    link: link * 1e9,
    network: network * 1e9,
    power,
    price,
    perNode,
    kind: "gpu",
    source,
  };
};

/** Prices are of rented GPUs in 2024–2025, round figures; V3's own $2 for the H800. Give --price for yours. */
export const HARDWARE: readonly Hardware[] = [
  gpu(
    "V100",
    2017,
    { peak: [125, null], memory: [32, 0.9], links: [150, 12.5], power: 300, price: 0.5 },
    "NVIDIA V100 data sheet (fp16)",
  ),
  gpu(
    "A100-40",
    2020,
    { peak: [312, null], memory: [40, 1.555], links: [300, 25], power: 400, price: 1.1 },
    "NVIDIA A100 data sheet",
  ),
  gpu(
    "A100",
    2020,
    { peak: [312, null], memory: [80, 2.039], links: [300, 25], power: 400, price: 1.3 },
    "NVIDIA A100 80 GB data sheet",
  ),
  gpu(
    "A800",
    2022,
    { peak: [312, null], memory: [80, 2.039], links: [200, 25], power: 400, price: 1.1 },
    "A100 with its link cut to 400 GB/s",
  ),
  gpu(
    "H100",
    2022,
    { peak: [989, 1979], memory: [80, 3.35], links: [450, 50], power: 700, price: 2 },
    "NVIDIA H100 SXM data sheet",
  ),
  gpu(
    "H800",
    2023,
    { peak: [989, 1979], memory: [80, 3.35], links: [160, 50], power: 700, price: 2 },
    "DeepSeek-V3 report, sections 3.1 and 3.2.2: NVLink 160 GB/s, InfiniBand 50 GB/s",
  ),
  gpu(
    "H200",
    2024,
    { peak: [989, 1979], memory: [141, 4.8], links: [450, 50], power: 700, price: 2.5 },
    "NVIDIA H200 data sheet",
  ),
  gpu(
    "B200",
    2024,
    { peak: [2250, 4500], memory: [180, 7.7], links: [900, 50], power: 1000, price: 4 },
    "NVIDIA DGX B200 data sheet",
  ),
  gpu(
    "MI300X",
    2023,
    { peak: [1307, 2615], memory: [192, 5.3], links: [448, 50], power: 750, price: 2 },
    "AMD Instinct MI300X data sheet",
  ),
  gpu(
    "RTX3090",
    2020,
    { peak: [71, null], memory: [24, 0.936], links: [16, 3], power: 350, price: 0.2, perNode: 1 },
    "NVIDIA GA102 whitepaper (fp16, f32 sums)",
  ),
  gpu(
    "RTX4090",
    2022,
    { peak: [165, 330], memory: [24, 1.008], links: [16, 3], power: 450, price: 0.35, perNode: 1 },
    "NVIDIA Ada whitepaper (f32 sums)",
  ),
  gpu(
    "RTX5090",
    2025,
    { peak: [210, 419], memory: [32, 1.792], links: [32, 3], power: 575, price: 0.5, perNode: 1 },
    "NVIDIA Blackwell whitepaper (f32 sums)",
  ),
  {
    ...gpu(
      "M2-Ultra",
      2023,
      { peak: [54, null], memory: [192, 0.8], links: [10, 1.2], power: 215, price: 0.4, perNode: 1 },
      "Apple: 27 TF f32 of the GPU, 54 in half precision",
    ),
    kind: "apple",
  },
  {
    ...gpu(
      "M4-Max",
      2024,
      { peak: [34, null], memory: [128, 0.546], links: [10, 1.2], power: 140, price: 0.3, perNode: 1 },
      "Apple M4 Max, GPU in half precision",
    ),
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
  const base = gpu(
    name,
    year,
    { peak: [teraflops, null], memory: [8, 0.008], links: [0.008, 1.2], power: 6, price: 0.02, perNode: 64 },
    source,
  );
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
