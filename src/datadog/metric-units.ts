const UNITS: Readonly<Record<string, string>> = {
  USD: "dollar",
  "{token}": "token",
  s: "second",
  "1": "fraction",
  "{file}": "file",
};

/** Datadog's name of a metric's unit; undefined for one that it does not have. */
export function datadogUnit(unit: string): string | undefined {
  return UNITS[unit];
}
