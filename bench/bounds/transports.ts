import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

const TRANSPORTS = ["node-http", "http2", "websocket", "undici"] as const;
const CALLS_A_TURN = 40;
const CHUNKS = 800;

/** CPU that metering adds to whole calls, and to long streams, of one transport over loopback, in % of the bare client's. */
function rowsOf(transport: string): readonly (readonly [string, Bound])[] {
  const row = (calls: number, chunks: number): Bound => ({
    unit: "%",
    async measure() {
      const rows = await runRace("transports.ts", [transport, String(calls), String(chunks)], 2);
      return median(rows.map(([bare = 0, metered = 0]) => (metered / bare - 1) * 100));
    },
  });
  return [
    [`${transport}-call`, row(CALLS_A_TURN, 0)],
    [`${transport}-chunk`, row(1, CHUNKS)],
  ];
}

export const transportRows: Readonly<Record<string, Bound>> = Object.fromEntries(TRANSPORTS.flatMap(rowsOf));
