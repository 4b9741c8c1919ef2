import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const port = new RegExp(`:(?:${process.env.VENDOR.split(":")[2]}|${process.env.PROXY.split(":")[2]})\\b`, "g");

/** What the vendor was sent since it was last asked. */
const visits = () =>
  new Promise((resolve, reject) => {
    const read = (response) =>
      response.toArray().then((chunks) => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    get(`${process.env.VENDOR}/visits`, { agent: false }, read).on("error", reject);
  });

const plain = (value) =>
  JSON.parse(
    JSON.stringify(value ?? null)
      .replace(port, ":PORT")
      .replace(/formdata-undici-\d+|-{4,}\w{16,}/g, "boundary"),
  );

/** Another program's way of an error: without its stack. */
export const failure = (error) =>
  error instanceof Error
    ? { name: error.name, code: error.code, type: error.type, message: error.message, cause: error.cause?.code }
    : error;

export async function tried(run) {
  try {
    return await run();
  } catch (error) {
    return { failed: failure(error) };
  }
}

/** Loads the hook's own entry in the modes that have it, and gives the calls as they settle. */
export async function loadOurs(mode) {
  const calls = [];
  if (mode === "bare") return { calls, ours: undefined };
  const ours = await import(process.env.SPENDFUSE_TEST_INDEX);
  ours.onCall((call) => calls.push({ ending: call.ending, usage: call.usage, quality: call.quality }));
  if (mode === "held") ours.onBlocked(() => sleep(2, true));
  return { calls, ours };
}

/**
 * Runs behaviours one after the other and writes to SEEN what came of each: its outcome, what the vendor was sent, and the
 * calls that were metered. `warmUp`: a first call, which waits for the prices and does not count.
 */
export async function runBehaviours(list, { calls, ours }, warmUp) {
  const problems = [];
  process.on("uncaughtException", (error) => problems.push(`uncaught: ${error?.name} ${error?.message}`));
  process.on("unhandledRejection", (error) => problems.push(`unhandled: ${error?.name} ${error?.message}`));
  if (ours) {
    await warmUp();
    await ours.flush();
  }
  const seen = {};
  for (const { name, calls: expected, run } of list) {
    calls.length = problems.length = 0;
    await visits();
    const outcome = await Promise.race([
      (async () => run())().catch((error) => ({ thrown: failure(error) })),
      sleep(8000, "hangs", { ref: false }),
    ]);
    await sleep(25);
    // A coded answer is read beside its reader.
    const count = ours ? (expected?.length ?? 0) : 0;
    for (let wait = 0; wait < 40 && calls.length < count; wait += 1) await sleep(10);
    await ours?.flush();
    seen[name] = {
      outcome: plain(outcome),
      wire: plain(await visits()),
      problems: plain(problems),
      expected,
      calls: [...calls],
    };
  }
  writeFileSync(process.env.SEEN, JSON.stringify(seen));
  process.exit(0);
}
