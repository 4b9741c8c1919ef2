/** One line of the bench. To add one, write a file in `bounds/` and give it a line in `main.ts`. */
export interface Bound {
  /** The most that `measure` may return; absent where the figure only informs. */
  readonly limit?: number;
  readonly unit: string;
  measure(): Promise<number>;
}

/** The length of the long measurements: 1 by default, 10 for a release. */
export const SCALE: number = Number(process.env.SPENDFUSE_TEST_SCALE ?? "") || 1;
