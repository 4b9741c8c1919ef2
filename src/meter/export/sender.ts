/**
 * A program of its own, started by a process that ends: `node sender.js SPOOL_DIRECTORY`, the endpoint as JSON in
 * SPENDFUSE_SENDER. It sends what is in the spool and ends, at the latest after two seconds; what it did not send then
 * waits for the next start.
 */
import { createDelivery } from "./delivery.ts";
import { loadEncoder } from "./encoder.ts";
import type { Endpoint } from "./endpoint.ts";
import { processId } from "./processes.ts";
import { replay } from "./replay.ts";
import { createSpool } from "./spool.ts";

const LIFE_MS = 2_000;
/** Left for giving back what is being sent. */
const GIVE_BACK_MS = 200;

async function main(dir: string, endpoint: Endpoint): Promise<void> {
  const abort = new AbortController();
  // Also what keeps the process alive while it waits for an answer.
  const limit = setTimeout(() => abort.abort(), LIFE_MS - GIVE_BACK_MS);
  setTimeout(() => process.exit(), LIFE_MS).unref();
  const nothing = (): void => {};
  const spool = createSpool({
    dir,
    endpoint,
    process: processId(process.pid),
    maxBytes: Number.POSITIVE_INFINITY,
    lost: nothing,
  });
  spool.recover();
  const deliver = createDelivery(endpoint, await loadEncoder());
  await replay(spool, deliver, { connectMs: LIFE_MS, signal: abort.signal }, { rejected: nothing, dead: nothing });
  clearTimeout(limit);
}

const [, , dir] = process.argv;
const endpoint = process.env.SPENDFUSE_SENDER;
if (dir !== undefined && endpoint !== undefined) await main(dir, JSON.parse(endpoint) as Endpoint);
