/** Backwards: from a sum of money to the best model that it can buy, by a stated scaling law. */
import { InputError } from "../base/index.ts";
import { findHardware, type Hardware } from "./hardware.ts";
import { planTraining, type Range, type TrainPlan } from "./train.ts";

/**
 * Loss of a dense transformer of N parameters on D tokens, in nats a token: E + A / N^α + B / D^β. Hoffmann et al. 2022, third approach, with the constants as
 * refitted by Besiroglu et al. 2024 (arXiv 2404.10102), whose 80 % intervals the optimum's uncertainty comes from.
 */
export const SCALING_LAW = {
  E: 1.8172,
  A: 482.01,
  B: 2085.43,
  alpha: 0.3478,
  beta: 0.3658,
  source: "Hoffmann et al. 2022 as refitted by Besiroglu et al. 2024",
};

/** Operations of a dense model for each of a mixture of equal loss: DeepSeekMoE (Dai et al. 2024) 2.5; others report 1.5 to 4 and more for sparser ones. */
export const EXPERT_LEVERAGE = { low: 1.5, mid: 2.5, high: 4 };
/** The smallest model that the law was made from (Hoffmann et al. 2022, table A9). */
const SMALLEST_OF_LAW = 44e6;
/** Total over active parameters: V3 has 18; small models have fewer experts to choose from. */
const sparsity = (active: number) => Math.min(18, Math.max(3, 3 * (active / 1e7) ** 0.22));
/** Public text of all kinds, tokens (Villalobos et al. 2024, median of their estimate). */
const STOCK_OF_TEXT = 300e12;

/** The loss that the law predicts. */
export function predictedLoss(parameters: number, tokens: number): number {
  const { E, A, B, alpha, beta } = SCALING_LAW;
  return E + A / parameters ** alpha + B / tokens ** beta;
}

/** Parameters and tokens of least loss for so many operations (6 · N · D). */
export function computeOptimal(flops: number): { parameters: number; tokens: number } {
  const { A, B, alpha, beta } = SCALING_LAW;
  const G = ((alpha * A) / (beta * B)) ** (1 / (alpha + beta));
  const parameters = G * (flops / 6) ** (beta / (alpha + beta));
  return { parameters, tokens: flops / 6 / parameters };
}

export interface BudgetRequest {
  usd: number;
  hardware: Hardware;
  price?: number;
  precision?: "bf16" | "fp8";
  gpus?: number;
}

export interface Purchase {
  kind: "dense" | "mixture of experts";
  parameters: number;
  active: number;
  tokens: number;
  flops: number;
  /** Nats per token by the law; for a mixture over the range of its leverage. Null for models smaller than those that the law was made from. */
  loss: Range | null;
  plan: TrainPlan;
}

export interface Programme {
  gigawatts: number;
  sites: number;
  devices: number;
  buildYears: number;
  /** A run of 90 days on all of it. */
  run: { flops: number; parameters: number; tokens: number };
  assumptions: string[];
}

export interface BudgetPlan {
  usd: number;
  purchases: Purchase[];
  law: string;
  notes: string[];
  /** From a billion dollars on: what building rather than renting gives. */
  programme: Programme | null;
}

/** The best dense model and the best mixture for a sum. @throws InputError for a sum that buys nothing */
export function planBudget(request: BudgetRequest): BudgetPlan {
  const { usd } = request;
  if (!(usd > 0 && usd <= 1e15))
    throw new InputError(`--budget ${usd}: must be above 0 and at most 1e15 US$, as in --budget 5.6M`);
  if ((request.price ?? request.hardware.price) <= 0) throw new InputError("--price 0: a budget needs a price above 0");
  const purchases = [buy(request, false), buy(request, true)];
  const notes = [
    `the law is for one pass over web text with English in front; its optimum is uncertain by about a factor of 1.5 in size`,
    `a model that will be used much is trained smaller and longer than this: inference is not in the optimum`,
  ];
  const most = Math.max(...purchases.map(({ tokens }) => tokens));
  if (most > STOCK_OF_TEXT)
    notes.push(
      `${(most / 1e12).toFixed(0)}T tokens are more than all public text (about ${STOCK_OF_TEXT / 1e12}T, Villalobos et al. 2024): data, not money, is the limit`,
    );
  return {
    usd,
    purchases,
    law: SCALING_LAW.source,
    notes,
    programme: usd >= 1e9 ? programme(usd, request.hardware) : null,
  };
}

function buy(request: BudgetRequest, experts: boolean): Purchase {
  const { usd, hardware, precision, gpus } = request;
  const price = request.price ?? hardware.price;
  let flops = (usd / price) * 3600 * hardware.bf16 * 0.35;
  for (let i = 0; i < 60; i++) {
    const { parameters, active, tokens } = shape(flops, experts);
    const plan = planTraining({ params: parameters, active, tokens, hardware, precision, gpus, price });
    const next = flops * (usd / plan.usd.mid) ** 0.5;
    if (Math.abs(next / flops - 1) < 1e-9) break;
    flops = next;
  }
  const { parameters, active, tokens } = shape(flops, experts);
  const plan = planTraining({ params: parameters, active, tokens, hardware, precision, gpus, price });
  const lossAt = (leverage: number) => {
    const best = computeOptimal(flops * leverage);
    return predictedLoss(best.parameters, best.tokens);
  };
  const law = experts
    ? { low: lossAt(EXPERT_LEVERAGE.high), mid: lossAt(EXPERT_LEVERAGE.mid), high: lossAt(EXPERT_LEVERAGE.low) }
    : { low: lossAt(1.3), mid: lossAt(1), high: lossAt(0.77) };
  const loss = computeOptimal(experts ? flops * EXPERT_LEVERAGE.mid : flops).parameters < SMALLEST_OF_LAW ? null : law;
  return { kind: experts ? "mixture of experts" : "dense", parameters, active, tokens, flops, loss, plan };
}

/** A mixture takes the tokens of the dense model that it equals, and as many active parameters as operations are left for. */
function shape(flops: number, experts: boolean): { parameters: number; active: number; tokens: number } {
  const { parameters, tokens } = computeOptimal(experts ? flops * EXPERT_LEVERAGE.mid : flops);
  if (!experts) return { parameters, active: parameters, tokens };
  const active = flops / 6 / tokens;
  return { parameters: active * sparsity(active), active, tokens };
}

/** All in: land, power, buildings, machines. The announced programmes: $500B for 10 GW (Stargate, January 2025). */
const USD_PER_GIGAWATT = 50e9;
const GIGAWATTS_PER_SITE = 1;
const GIGAWATTS_PER_YEAR = 2.5;
const RUN_DAYS = 90;

function programme(usd: number, asked: Hardware): Programme {
  // What is built now is built of the newest machines.
  const hardware = asked.power >= 1000 ? asked : findHardware("B200");
  const gigawatts = usd / USD_PER_GIGAWATT;
  const devices = Math.floor((gigawatts * 1e9) / (hardware.power * 1.5));
  const flops = devices * hardware.bf16 * 0.3 * RUN_DAYS * 86400;
  const { parameters, active, tokens } = shape(flops, true);
  return {
    gigawatts,
    sites: Math.max(1, Math.ceil(gigawatts / GIGAWATTS_PER_SITE)),
    devices,
    buildYears: gigawatts / GIGAWATTS_PER_YEAR,
    run: { flops, parameters, tokens },
    assumptions: [
      `$${USD_PER_GIGAWATT / 1e9}B per gigawatt all in, as announced for Stargate ($500B, 10 GW)`,
      `sites of ${GIGAWATTS_PER_SITE} GW, ${GIGAWATTS_PER_YEAR} GW built a year once power is found`,
      `${hardware.name} at ${hardware.power} W, 1.5 × with host, network and cooling`,
      `a ${RUN_DAYS}-day run of all devices at 30 % of the bf16 peak; mixture of experts, ${(active / 1e12).toFixed(1)}T active`,
    ],
  };
}
