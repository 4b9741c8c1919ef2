/** Bytes on the heap, and outside of it for buffers, once all garbage is gone. Needs `--expose-gc`. */
export async function heapBytes(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    // Finalizers run between the collections, and free what they hold.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
