import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startBreaker } from "../../src/breaker/server.ts";
import { openMemory } from "../../src/stores/memory.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/datadog-webhook.md"), "utf8");
/** What curl sends with `-d` unless it is told another. */
const CURLS = { "content-type": "application/x-www-form-urlencoded" };
const SECRET = "a secret of the test";

test("the trial request of the page is taken, and changes nothing", async () => {
  const line = /curl -s "https:\/\/YOUR-BREAKER(?<path>[^"]+)"(?<options>[\s\S]*?) -d '(?<body>[\s\S]*?) }'/.exec(
    PAGE,
  )?.groups;
  const options = line?.options ?? "";
  const headers = Array.from(options.matchAll(/-H "([^:]+): ([^"]+)"/g), ([, name = "", value = ""]) => [
    name,
    value.replace("$SPENDFUSE_WEBHOOK_SECRET", SECRET),
  ]);
  const body = `${line?.body} }`.replace(/'\$\(date [^)]*\)'/, String(Date.now()));
  const store = openMemory();
  const breaker = await startBreaker({ store, port: 0, webhookSecrets: [SECRET] });
  try {
    const init = { method: "POST", headers: { ...CURLS, ...Object.fromEntries(headers) }, body };
    const response = await fetch(`${breaker.url}${line?.path}`, init);
    expect([response.status, await response.json()]).toEqual([200, expect.anything()]);
    expect(await (await fetch(`${breaker.url}/circuits`)).json()).toMatchObject({ circuits: [] });
  } finally {
    await breaker.close();
  }
});
