/** Dollars for people: two digits, and four where two would hide most of it. */
export function showUsd(usd: number): string {
  if (usd > 0 && usd < 0.000_05) return "< $0.0001";
  return `$${usd === 0 || usd >= 0.1 ? usd.toFixed(2) : usd.toFixed(4)}`;
}

/** A whole number with a comma for every thousand. */
export function showCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** `1 call`, `2 calls`. */
export function counted(count: number, what: string): string {
  return `${showCount(count)} ${what}${count === 1 ? "" : "s"}`;
}
