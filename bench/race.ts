/** Something to be measured, ready to be done again and again. */
export type Variant = () => Promise<void>;

export interface RaceOptions {
  /** Turns of each variant before anything counts. Code that runs once a call is compiled after some thousand calls. */
  readonly warmUp: number;
  readonly turns: number;
}

/**
 * Runs variants in turn in one process and prints the CPU microseconds of each turn, variants in columns. In processes
 * of their own the same variant came out 6 % apart on a busy machine with 2 cores, in one and turn by turn below 1 %.
 */
export async function race(variants: readonly Variant[], { warmUp, turns }: RaceOptions): Promise<void> {
  const rows: number[][] = [];
  for (let turn = -warmUp; turn < turns; turn++) {
    const row = new Array<number>(variants.length).fill(0);
    const order = [...variants.keys()];
    // Each follows each as often.
    if (turn % 2 === 0) order.reverse();
    for (const index of order) {
      const before = process.cpuUsage();
      await (variants[index] as Variant)();
      const { user, system } = process.cpuUsage(before);
      row[index] = user + system;
    }
    if (turn >= 0) rows.push(row);
  }
  process.stdout.write(JSON.stringify(rows), () => process.exit());
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
