/** Answers each message of `measurePaired` with the CPU microseconds that one turn took. */
export function serveTurns(turn: () => Promise<void>): void {
  process.on("message", async () => {
    const before = process.cpuUsage();
    await turn();
    const { user, system } = process.cpuUsage(before);
    process.send?.(user + system);
  });
}
