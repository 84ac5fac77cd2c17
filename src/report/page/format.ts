/** Numbers as people read them. Whatever is not a finite number is "–". */

const or = (value: number, text: (value: number) => string): string => (Number.isFinite(value) ? text(value) : "–");

/** Three figures with a unit: 2664000 → "2.66M", 0.006 → "0.006", 0.000012 → "1.2e-5". */
export function short(value: number): string {
  return or(value, (x) => {
    const size = Math.abs(x);
    if (size === 0) return "0";
    for (const [unit, letter] of [
      [1e12, "T"],
      [1e9, "B"],
      [1e6, "M"],
      [1e4, "K"],
    ] as const)
      if (size >= unit * 0.9995) return `${Number((x / (letter === "K" ? 1e3 : unit)).toPrecision(3))}${letter}`;
    if (size >= 1000) return Math.round(x).toLocaleString("en-US");
    return size < 1e-3 ? trimmedExponent(x) : String(Number(x.toPrecision(3)));
  });
}

const trimmedExponent = (x: number): string => x.toExponential(1).replace(".0e", "e");

/** "$5.58M", "$0.057", "$12.40". */
export function money(usd: number): string {
  return or(usd, (x) => {
    if (x >= 10_000) return `$${short(x)}`;
    if (x >= 1) return `$${x.toFixed(2)}`;
    if (x === 0) return "$0";
    // Two figures, however many noughts stand before them.
    const digits = Math.max(2, Math.min(12, 1 - Math.floor(Math.log10(x))));
    return `$${x.toFixed(digits).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
  });
}

/** 5576000 → "5.576M", for bills that are known to the thousand. */
export const millions = (value: number): string => or(value, (x) => `${(x / 1e6).toFixed(3)}M`);

/** 3725 → "1 h 02 min". */
export function duration(seconds: number): string {
  return or(seconds, (x) => {
    const whole = Math.round(x);
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    const two = (n: number) => String(n).padStart(2, "0");
    if (minutes < 60) return `${minutes} min ${two(whole % 60)} s`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  });
}

export const percent = (share: number): string =>
  or(share, (x) => `${Math.abs(x) < 0.0995 ? Number((100 * x).toPrecision(2)) : Math.round(100 * x)} %`);

export const fixed = (value: number, digits: number): string => or(value, (x) => x.toFixed(digits));

/** 0.0026 → "2.6 Wh". */
export const energy = (kwh: number): string =>
  or(kwh, (x) => (x < 1 ? `${Number((1000 * x).toPrecision(2))} Wh` : `${Number(x.toPrecision(3))} kWh`));

export const count = (value: number): string => or(value, (x) => Math.round(x).toLocaleString("en-US"));
