/** Fields of a `config.json`, read one by one. */
import { InputError } from "../base/index.ts";

export type Json = Record<string, unknown>;

/** Typed access to a JSON object's fields, with errors that name them. */
export class Fields {
  readonly json: Json;
  readonly where: string;

  constructor(json: Json, where: string) {
    this.json = json;
    this.where = where;
  }

  /** A whole number between least and most; `fallback` where the field is absent (required without one). */
  whole(name: string, least: number, most: number, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new InputError(`${this.where}: field ${name} is missing`);
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw new InputError(
        `${this.where}: ${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`,
      );
    }
    return value;
  }

  number(name: string, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new InputError(`${this.where}: field ${name} is missing`);
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new InputError(`${this.where}: ${name} must be a number, not ${JSON.stringify(value)}`);
    return value;
  }

  between(name: string, least: number, most: number, fallback: number): number {
    const value = this.number(name, fallback);
    if (value < least || value > most)
      throw new InputError(
        `${this.where}: ${name} ${value} must be ${most === Infinity ? `above ${Math.trunc(least)}` : `from ${least} to ${most}`}`,
      );
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.json[name] ?? fallback;
    if (typeof value !== "boolean")
      throw new InputError(`${this.where}: ${name} must be true or false, not ${JSON.stringify(value)}`);
    return value;
  }

  /** A whole number or a list of them; absent: none. */
  wholes(name: string): number[] {
    const value = this.json[name];
    if (value == null) return [];
    const list = Array.isArray(value) ? value : [value];
    if (!list.every((id) => Number.isInteger(id) && id >= 0))
      throw new InputError(`${this.where}: ${name} must be a token id or a list of them`);
    return list as number[];
  }

  oneOf<Known extends string>(name: string, known: readonly Known[], fallback: Known): Known {
    const value = this.json[name] ?? fallback;
    if (!known.includes(value as Known)) {
      throw new InputError(
        `${this.where}: ${name} ${JSON.stringify(value)} is not supported; known are ${known.map((k) => `"${k}"`).join(" and ")}`,
      );
    }
    return value as Known;
  }

  /** Refuses any other value than the one that `title` (a family, or a setting) has. */
  mustBe(name: string, only: unknown, title: string): void {
    const value = this.json[name];
    if (value != null && value !== only) {
      throw new InputError(
        `${this.where}: ${name} ${JSON.stringify(value)} is not supported; ${title} has ${JSON.stringify(only)}`,
      );
    }
  }
}
