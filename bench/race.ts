/** Something to be measured, ready to be done again and again. */
export type Variant = () => Promise<void>;

export interface RaceOptions {
  /** Turns of each variant before anything counts. Code that runs once a call is compiled after some thousand calls. */
  readonly warmUp: number;
  readonly turns: number;
  /** Done before each turn of a variant, and not measured. */
  readonly prepare?: (variant: number) => unknown;
}

/** Turns of each variant that one row is the mean of. */
const TURNS_A_ROW = 10;

/**
 * Runs variants in turn in one process and prints rows of CPU microseconds a turn, variants in columns, each the mean
 * of ten turns. In processes of their own the same variant came out 6 % apart on a busy machine with 2 cores, in one and
 * turn by turn below 1 %. The order is drawn by lot, and a row is of many turns: garbage collection comes every few
 * turns, so that with any fixed order one variant pays for the garbage of another.
 */
export async function race(variants: readonly Variant[], { warmUp, turns, prepare }: RaceOptions): Promise<void> {
  for (let turn = 0; turn < warmUp; turn++) {
    for (const [index, variant] of variants.entries()) {
      await prepare?.(index);
      await variant();
    }
  }
  const rows: number[][] = [];
  while (rows.length * TURNS_A_ROW < turns) {
    const row = new Array<number>(variants.length).fill(0);
    for (let turn = 0; turn < TURNS_A_ROW; turn++) {
      for (const index of shuffle([...variants.keys()])) {
        await prepare?.(index);
        const before = process.cpuUsage();
        await (variants[index] as Variant)();
        const { user, system } = process.cpuUsage(before);
        row[index] = (row[index] as number) + user + system;
      }
    }
    rows.push(row.map((sum) => sum / TURNS_A_ROW));
  }
  process.stdout.write(JSON.stringify(rows), () => process.exit());
}

function shuffle(items: number[]): number[] {
  for (let last = items.length - 1; last > 0; last--) {
    const chosen = Math.floor(Math.random() * (last + 1));
    [items[last], items[chosen]] = [items[chosen] as number, items[last] as number];
  }
  return items;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
