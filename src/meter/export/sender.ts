/**
 * A separate program, started by a process that ends: `node sender.js SPOOL_DIRECTORY MILLISECONDS`, the endpoint as
 * JSON in SPENDFUSE_SENDER. It sends what is in the spool and ends, after that time at the latest; what it did not send
 * then waits for the next start.
 */
import { createDelivery } from "./delivery.ts";
import { loadEncoder } from "./encoder.ts";
import type { Endpoint } from "./endpoint.ts";
import { processId } from "./spool/processes.ts";
import { replay } from "./spool/replay.ts";
import { createSpool } from "./spool/spool.ts";

/** Time left for releasing what is being sent. */
const GIVE_BACK_MS = 200;

async function main(dir: string, endpoint: Endpoint, lifeMs: number): Promise<void> {
  const abort = new AbortController();
  // Also what keeps the process alive while it waits for an answer.
  const limit = setTimeout(() => abort.abort(), lifeMs - performance.now() - GIVE_BACK_MS);
  setTimeout(() => process.exit(), lifeMs - performance.now()).unref();
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
  await replay(spool, deliver, { connectMs: lifeMs, signal: abort.signal }, { rejected: nothing, dead: nothing });
  clearTimeout(limit);
}

const [, , dir, lifeMs] = process.argv;
const endpoint = process.env.SPENDFUSE_SENDER;
if (dir !== undefined && endpoint !== undefined) await main(dir, JSON.parse(endpoint) as Endpoint, Number(lifeMs));
