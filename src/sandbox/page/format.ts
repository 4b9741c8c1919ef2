import { holds } from "../../datadog/query/comparison.ts";

/** `{ unit: { type: "canonical_unit", unit_name } }` of a formula. */
export interface NumberFormat {
  readonly unit?: { readonly unit_name?: string };
}

const SCALES: readonly (readonly [number, string])[] = [
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A value as people read it: `$12.40`, `$0.0048`, `1.2k`, `12.5 %`, `3.2 h`. */
export function formatValue(value: number | null | undefined, format?: NumberFormat): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  switch (format?.unit?.unit_name) {
    case "dollar":
      return `${value < 0 ? "−" : ""}$${dollars(Math.abs(value))}`;
    case "fraction":
      return `${round(value * 100, 1)} %`;
    case "percent":
      return `${round(value, 1)} %`;
    case "second":
      return seconds(value);
    default:
      return plain(value);
  }
}

function dollars(value: number): string {
  if (value >= 10_000) return scaled(value);
  if (value >= 0.1 || value === 0) return value.toFixed(2);
  return String(Number(value.toPrecision(2)));
}

function plain(value: number): string {
  if (Math.abs(value) >= 10_000) return scaled(value);
  return Number.isInteger(value) ? String(value) : round(value, 2);
}

function scaled(value: number): string {
  for (const [size, letter] of SCALES) if (Math.abs(value) >= size) return `${round(value / size, 1)}${letter}`;
  return round(value, 2);
}

function seconds(value: number): string {
  if (value >= 86_400) return `${round(value / 86_400, 1)} d`;
  if (value >= 3_600) return `${round(value / 3_600, 1)} h`;
  return value >= 60 ? `${round(value / 60, 1)} min` : `${round(value, 1)} s`;
}

function round(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** A moment in UTC, in seconds. */
export function formatTime(at: number, withDate = true): string {
  const text = new Date(at * 1_000).toISOString();
  return withDate ? `${text.slice(0, 10)} ${text.slice(11, 19)}` : text.slice(11, 19);
}

export interface ConditionalFormat {
  readonly comparator: string;
  readonly value: number;
  readonly palette: string;
}

const TONES: readonly (readonly [RegExp, string])[] = [
  [/red/, "bad"],
  [/yellow|orange/, "warn"],
  [/green/, "ok"],
];

/** The tone that the first format that holds asks for: `ok`, `warn`, `bad`. */
export function toneOf(
  value: number | null | undefined,
  formats: readonly ConditionalFormat[] | undefined,
): string | undefined {
  if (value === null || value === undefined) return undefined;
  const found = formats?.find((one) => holds(value, one.comparator, one.value));
  return found && TONES.find(([pattern]) => pattern.test(found.palette))?.[1];
}
