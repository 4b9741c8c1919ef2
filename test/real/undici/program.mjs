import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { behaviours } from "./behaviours.mjs";

/** Plays what undici documents, bare, metered, held before each call, or refused; writes what was seen. */
const [mode, major, loading] = process.argv.slice(2);
const name = `undici-${major}`;
const loaded = loading === "require" ? createRequire(import.meta.url)(name) : await import(name);
const undici = loaded.default ?? loaded;
const calls = [];
const ours = mode === "bare" ? undefined : await import(process.env.SPENDFUSE_TEST_INDEX);
ours?.onCall((call) => calls.push({ ending: call.ending, usage: call.usage, quality: call.quality }));
if (mode === "held") ours.onBlocked(() => sleep(2, true));

const vendor = { url: process.env.VENDOR, proxy: process.env.PROXY };
const port = new RegExp(`:(?:${vendor.url.split(":")[2]}|${vendor.proxy.split(":")[2]})\\b`, "g");
/** What the vendor was sent since it was last asked; not by undici. */
const visits = () =>
  new Promise((resolve, reject) => {
    const read = (response) =>
      response.toArray().then((chunks) => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    get(`${vendor.url}/visits`, { agent: false }, read).on("error", reject);
  });
const plain = (value) =>
  JSON.parse(
    JSON.stringify(value ?? null)
      .replace(port, ":PORT")
      .replace(/formdata-undici-\d+/g, "boundary"),
  );
const problems = [];
process.on("uncaughtException", (error) => problems.push(`uncaught: ${error.stack}`));
process.on("unhandledRejection", (error) => problems.push(`unhandled: ${error?.stack}`));

/** The first call waits for the prices, and does not count. */
if (ours) {
  await (
    await undici.request(`${vendor.url}/whole/v1/chat/completions`, {
      method: "POST",
      body: '{"model":"gpt-5-mini","messages":[]}',
    })
  ).body.text();
  await ours.flush();
}
const seen = {};
for (const { name, calls: expected, run } of behaviours(undici, Number(major), vendor)) {
  calls.length = problems.length = 0;
  await visits();
  let outcome;
  try {
    outcome = await Promise.race([run(), sleep(8000, "hangs", { ref: false })]);
  } catch (error) {
    outcome = { thrown: error.name, code: error.code, message: error.message };
  }
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
