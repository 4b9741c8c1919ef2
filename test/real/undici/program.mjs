import { createRequire } from "node:module";
import { behaviours } from "./behaviours.mjs";
import { loadOurs, runBehaviours } from "./run.mjs";

/** Plays what undici documents, bare, metered, held before each call, or refused; writes what was seen. */
const [mode, major, loading] = process.argv.slice(2);
const name = `undici-${major}`;
const loaded = loading === "require" ? createRequire(import.meta.url)(name) : await import(name);
const undici = loaded.default ?? loaded;
const metering = await loadOurs(mode);
const vendor = { url: process.env.VENDOR, proxy: process.env.PROXY };

await runBehaviours(behaviours(undici, Number(major), vendor), metering, async () => {
  const ask = { method: "POST", body: '{"model":"gpt-5-mini","messages":[]}' };
  await (await undici.request(`${vendor.url}/whole/v1/chat/completions`, ask)).body.text();
});
