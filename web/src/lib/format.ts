/** Numbers and times as people read them. */
import type { Usage } from "../../../src/infer/engine.ts";

export function count(value: number, locale: string): string {
  return new Intl.NumberFormat(locale).format(value);
}

/** 16.3M, 671B: as models are spoken of. */
export function short(value: number): string {
  for (const [unit, size] of [
    ["T", 1e12],
    ["B", 1e9],
    ["M", 1e6],
    ["K", 1e3],
  ] as const)
    if (value >= size) return `${(value / size).toPrecision(3).replace(/\.?0+$/, "")}${unit}`;
  return String(value);
}

/** Dollars with two significant digits, however small: $0.0000021. */
export function dollars(value: number): string {
  if (value === 0) return "$0";
  if (value >= 0.995) return `$${value.toFixed(2)}`;
  const digits = Math.min(12, 1 - Math.floor(Math.log10(value)));
  return `$${value.toFixed(digits)}`;
}

export function percent(share: number): string {
  if (share >= 0.9995) return "100 %";
  if (share >= 0.1) return `${(share * 100).toFixed(0)} %`;
  if (share >= 0.001) return `${(share * 100).toFixed(1)} %`;
  return share === 0 ? "0 %" : "< 0.1 %";
}

/** Tokens a second, or null where the server does not tell. */
export function speed(usage: Usage): number | null {
  const { completionTokens, decodeSeconds } = usage;
  return decodeSeconds && completionTokens > 0 ? completionTokens / decodeSeconds : null;
}

export function bytes(value: number): string {
  return value < 1024
    ? `${value} B`
    : value < 1024 ** 2
      ? `${Math.round(value / 1024)} KB`
      : `${(value / 1024 ** 2).toFixed(1)} MB`;
}

/** Days between then and now by the calendar: 0 is today. */
export function daysAgo(then: number, now: number): number {
  const day = (time: number): number => new Date(time).setHours(0, 0, 0, 0);
  return Math.round((day(now) - day(then)) / 86_400_000);
}
