/** The value of one group. */
export interface Measured {
  /** Values of the group's tags. */
  readonly tags: readonly string[];
  readonly value: number;
  /** For anomalies: what is compared when it may recover. */
  readonly recovery?: number;
  /** Whether the window has data from its beginning. */
  readonly full: boolean;
}
