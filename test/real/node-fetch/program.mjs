import { createRequire } from "node:module";
import { behaviours } from "./behaviours.mjs";
import { loadOurs, runBehaviours } from "./run.mjs";

/** Plays what node-fetch documents, bare, metered, held before each call, or refused; writes what was seen. */
const [mode, major] = process.argv.slice(2);
const loaded = major === "2" ? createRequire(import.meta.url)("node-fetch-2") : await import("node-fetch");
const metering = await loadOurs(mode);
const { VENDOR: url } = process.env;

await runBehaviours(behaviours(loaded, Number(major), url), metering, async () => {
  const ask = { method: "POST", body: '{"model":"gpt-5-mini","messages":[]}' };
  await (await loaded.default(`${url}/whole/v1/chat/completions`, ask)).text();
});
