/** Nano-USD as dollars. */
export function dollars(nano: number, digits: number): string {
  return `${nano < 0 ? "-" : ""}$${(Math.abs(nano) / 1e9).toFixed(digits)}`;
}

/** How far `value` is from the truth, in percent with its sign. */
export function percentOff(value: number, truth: number): string {
  if (value === truth) return "0";
  if (truth === 0) return "all";
  const percent = ((value - truth) / truth) * 100;
  const size = Math.abs(percent);
  return `${percent < 0 ? "-" : "+"}${size.toFixed(size < 0.1 ? 2 : 1)} %`;
}
