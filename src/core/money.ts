/** An amount of money as an integer of nano-USD (1e-9 USD). A bigint, because the bills of years do not fit a double. */
export type Nano = bigint;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i;
const USD_DIGITS = 9;
const CENT_DIGITS = 7;

/** Dollars as a vendor writes them, as a number or a decimal text. @throws RangeError for anything else */
export function nanoOfUsd(amount: number | string): Nano {
  return shifted(amount, USD_DIGITS);
}

/** Cents as a vendor writes them, whole or not. @throws RangeError for anything else */
export function nanoOfCents(amount: number | string): Nano {
  return shifted(amount, CENT_DIGITS);
}

/** Of an amount; a text such as 1e999999999 would fill the memory. */
const MAX_DIGITS = 60;

/** The amount times ten to the power of `places`, rounded half away from zero. Never uses floats. */
function shifted(amount: number | string, places: number): bigint {
  const parts = DECIMAL.exec(String(amount).trim());
  const whole = parts?.[2] ?? "";
  const fraction = parts?.[3] ?? "";
  if (whole + fraction === "") throw new RangeError(`not an amount of money: ${amount}`);
  const point = whole.length + places + Number(parts?.[4] ?? 0);
  if (point > MAX_DIGITS) throw new RangeError(`too large an amount of money: ${amount}`);
  const digits = whole + fraction;
  const kept = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
  const rounds = point >= 0 && (digits[point] ?? "0") >= "5";
  const size = BigInt(kept) + (rounds ? 1n : 0n);
  return parts?.[1] === "-" ? -size : size;
}

/** Nano-USD as USD, for metrics. */
export function usdOf(nano: Nano): number {
  return Number(nano) / 1e9;
}

/** As decimal dollars with all nine places, exact. */
export function decimalUsd(nano: Nano): string {
  const size = (nano < 0n ? -nano : nano).toString().padStart(USD_DIGITS + 1, "0");
  return `${nano < 0n ? "-" : ""}${size.slice(0, -USD_DIGITS)}.${size.slice(-USD_DIGITS)}`;
}

/**
 * Splits an amount by weights, none below zero, to the last nano-dollar: the parts always add up to the whole. Nothing
 * is split when all weights are zero: every part is then zero, and the caller decides where the whole goes.
 */
export function splitNano(whole: Nano, weights: readonly bigint[]): readonly Nano[] {
  let all = 0n;
  for (const weight of weights) all += weight;
  if (all === 0n) return weights.map(() => 0n);
  let before = 0n;
  let given = 0n;
  return weights.map((weight) => {
    before += weight;
    // The rounded running sum, less what earlier parts received.
    const due = (whole * before) / all;
    const part = due - given;
    given = due;
    return part;
  });
}
