/** The native twin: a call is held against its contract, packed into the block of its kernel, and run. */
import { InputError } from "../../base/index.ts";
import type { Storage } from "../dtype.ts";
import { type Checked, type Checker, checkerOf } from "../kernels/check.ts";
import type { Contract } from "../kernels/contract.ts";
import { contracts, type KernelFunctions } from "../kernels/contracts.ts";
import { referenceKernels } from "../kernels/reference.ts";
import type { Numbers } from "../kernels/shape.ts";
import type { Kernels } from "../kernels.ts";
import type { NativeIsa, NativeTable } from "./addon.ts";

type AnyKernel = (call: object) => number | undefined;

/** Beyond this vocabulary, what the fused head keeps of 2,048 tokens would take more memory than logits of a few tokens at a time. */
const MAX_FUSED_IDS = 16_384;
const TILE = 32;

/** Writes numbers to where the addon's struct has them: sizes as whole numbers of 64 bits, in two halves. */
function packer({ layout }: Checker): (block: ArrayBuffer) => (checked: Checked) => void {
  const places = Uint32Array.from(layout.numbers, ({ place }) => place);
  const words = Uint32Array.from(layout.numbers, ({ offset }) => offset / 8);
  const isReal = Uint8Array.from(layout.numbers, ({ field }) => Number(field.kind === "real"));
  return (block) => {
    const [halves, reals] = [new Int32Array(block), new Float64Array(block)];
    return ({ numbers }) => {
      for (let i = 0; i < places.length; i++) {
        const [value, word] = [numbers[places[i]], words[i]];
        if (isReal[i]) reals[word] = value;
        else {
          halves[2 * word] = value;
          halves[2 * word + 1] = value / 2 ** 32;
        }
      }
    };
  };
}

/** Refuses sizes that leave tiles unfilled: callers ask `fuses…` first. */
function checkTiles(name: string, checker: Checker, { options: { wholeTiles } }: Contract) {
  if (!wholeTiles) return null;
  const { of, size } = wholeTiles;
  const sizes = of.map((letter) => checker.compile(letter));
  return ({ numbers }: Checked) => {
    const given = sizes.map((size) => size(numbers));
    if (given.some((value) => value % size !== 0))
      throw new InputError(`${name}: ${of.join(" and ")} are multiples of ${size}, not ${given.join(" and ")}`);
  };
}

/** A kernel of the addon as its callers see it. What that takes is made ready at its first call. */
function nativeKernel(name: string, contract: Contract, table: NativeTable): AnyKernel {
  const reference = referenceKernels[name as keyof KernelFunctions] as AnyKernel;
  const entry = table.kernels[name];
  if (!entry) return reference;
  let ready: AnyKernel | null = null;
  const makeReady = (): AnyKernel => {
    const { run, block } = entry;
    const checker = checkerOf(name, contract);
    const pack = packer(checker)(block);
    const tiles = checkTiles(name, checker, contract);
    const most = Object.entries(contract.options.most ?? {}).map(([text, size]) => ({
      of: checker.compile(text),
      size,
    }));
    const tooLarge = most.length > 0 ? (n: Numbers) => most.some(({ of, size }) => of(n) > size) : null;
    return (call) => {
      const checked = checker.check(call);
      if (tooLarge?.(checked.numbers)) return reference(call);
      tiles?.(checked);
      pack(checked);
      return run(...checked.buffers);
    };
  };
  return (call) => {
    ready ??= makeReady();
    return ready(call);
  };
}

/** A step of a layer, checked and packed, of which the number of tokens may still change. */
interface PreparedStep {
  readonly kernel: string;
  readonly block: ArrayBuffer;
  readonly buffers: readonly (Storage | null)[];
  readonly checked: Checked;
  /** Refuses tokens whose positions have no angles or whose rows are not in the cache: buffers' contents change from pass to pass. */
  readonly recheck: (T: number) => void;
}

/** Whether a check of one step's indices says all of the other's: the same indices, against the same numbers and lengths. */
function checksAlike(one: PreparedStep, other: PreparedStep): boolean {
  const [a, b] = [one.checked, other.checked];
  return (
    one.kernel === other.kernel &&
    a.numbers.every((value, i) => value === b.numbers[i]) &&
    a.present.every((value, i) => value === b.present[i]) &&
    a.buffers.every((buffer, i) => {
      const twin = b.buffers[i];
      return buffer instanceof Int32Array ? buffer === twin : buffer?.length === twin?.length;
    })
  );
}

export function nativeKernels(table: NativeTable, isa: NativeIsa): Kernels {
  const functions = Object.fromEntries(
    Object.entries(contracts).map(([name, contract]) => [name, nativeKernel(name, contract, table)]),
  ) as Record<string, AnyKernel> & KernelFunctions;

  const prepareStep = (kernel: "attentionStep" | "feedForwardStep", call: object): PreparedStep => {
    const checker = checkerOf(kernel, contracts[kernel]);
    const checked = checker.prepare(call);
    const block = new ArrayBuffer(checker.layout.bytes);
    packer(checker)(block)(checked);
    const place = checker.layout.numbers.find(({ name }) => name === "T")!.place;
    const recheck = (T: number) => {
      checked.numbers[place] = T;
      checker.recheck(checked);
    };
    return { kernel, block, buffers: checked.buffers, checked, recheck };
  };

  return {
    ...functions,
    isa,
    fusesFeedForward: ({ D, F, precision }) =>
      table.kernels.feedForward !== undefined && precision === "bf16" && D % TILE === 0 && F % TILE === 0,
    fusesHeadLoss: ({ D, V, precision }) =>
      table.kernels.headLoss !== undefined &&
      precision === "bf16" &&
      D % TILE === 0 &&
      V % TILE === 0 &&
      V <= MAX_FUSED_IDS,
    // Tiles need many rows at once.
    maxStepTokens: isa === "amx" ? 32 : 64,

    prepareLayers(layers) {
      const most = Math.min(...layers.map(({ attention, feedForward }) => Math.min(attention.T, feedForward.T)));
      const steps = layers.flatMap(({ attention, feedForward }) => [
        prepareStep("attentionStep", attention),
        prepareStep("feedForwardStep", feedForward),
      ]);
      // Layers of a model share positions and rows: one of them is checked for all, since each look costs as much as a product of a small one.
      const toCheck = steps.filter((step, i) => !steps.slice(0, i).some((earlier) => checksAlike(earlier, step)));
      const run = table.prepare(steps.map(({ kernel, block, buffers }) => [kernel, block, ...buffers]));
      // The steps stay in this closure, and with them the memory that the addon was handed.
      return (T) => {
        if (T > most) throw new InputError(`prepareLayers: ${T} tokens in buffers for ${most}`);
        for (const { recheck } of toCheck) recheck(T);
        run(T);
      };
    },

    runAlone(alone) {
      table.runAlone(alone);
    },
  };
}
