import { vi } from "vitest";

/**
 * Waits until an expectation holds, for events that nothing announces. Only what never comes takes until the time-out: how
 * soon it comes is the machine's affair.
 */
export function eventually<T>(expectation: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(expectation, { timeout: 100_000, interval: 20 });
}
