/** Reads the values of a call, and says in one line what is wrong with them. */
import { InputError } from "../../base/index.ts";
import { type Dtype, type Storage, views } from "../dtype.ts";
import type { HeldMatrix } from "./contract.ts";

/** No size is larger, so that the product of a size and what is in memory is exact. */
const MAX_SIZE = 2 ** 48;

export class Refusals {
  private readonly kernel: string;

  constructor(kernel: string) {
    this.kernel = kernel;
  }

  size(value: unknown, name: string): number {
    if (typeof value === "number" && value >= 0 && value <= MAX_SIZE && Math.floor(value) === value) return value;
    throw this.wrong(`${name} is ${value}, must be a whole number from 0 up`);
  }

  real(value: unknown, name: string): number {
    if (typeof value === "number") return value;
    throw this.wrong(`${name} is ${value}, must be a number`);
  }

  flag(value: unknown, name: string): number {
    if (typeof value === "boolean") return value ? 1 : 0;
    throw this.wrong(`${name} is ${value}, must be true or false`);
  }

  choice(value: unknown, name: string, values: readonly unknown[]): number {
    const at = values.indexOf(value);
    if (at >= 0) return at;
    throw this.wrong(`${name} is ${value}, must be one of ${values.join(", ")}`);
  }

  literal(value: unknown, name: string, values: readonly unknown[]): number {
    if (typeof value === "number" && values.includes(value)) return value;
    throw this.wrong(`${name} is ${value}, must be one of ${values.join(", ")}`);
  }

  /** 0 of a matrix that is not quantised. */
  bits(matrix: HeldMatrix | null | undefined, name: string): number {
    return matrix?.quantised ? this.literal(matrix.quantised.bits, name, [8, 4]) : 0;
  }

  /** Refuses a buffer of another class; subclasses are as good as their classes. */
  kind(data: Storage, name: string, dtypes: readonly Dtype[]): void {
    if (dtypes.some((dtype) => data instanceof views[dtype])) return;
    const wanted = dtypes.map((dtype) => `${views[dtype].name} (${dtype})`).join(" or ");
    throw new TypeError(`${this.kernel}: ${name} is a ${data.constructor?.name}, must be a ${wanted}`);
  }

  missing(name: string): never {
    throw new TypeError(`${this.kernel}: ${name} is missing`);
  }

  neither(name: string): never {
    throw new TypeError(`${this.kernel}: ${name} is neither numbers nor codes with their scales`);
  }

  relation(name: string, value: number, words: string, limit: number): never {
    throw this.wrong(`${name} is ${value}, must be ${words} ${limit}`);
  }

  short(name: string, holds: number, needs: number): never {
    throw this.wrong(`${name} holds ${holds} elements, needs ${needs}`);
  }

  overlap(name: string): never {
    throw this.wrong(`rows of ${name} overlap`);
  }

  panels(name: string, rows: number, columns: number): never {
    throw this.wrong(`${name} is ${rows} × ${columns}; a quantised matrix is a multiple of 16 × 32`);
  }

  private wrong(what: string): InputError {
    return new InputError(`${this.kernel}: ${what}`);
  }
}
