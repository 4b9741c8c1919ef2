import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect } from "vitest";
import { readScope, readWebhook } from "../../src/breaker/webhook.ts";
import { readConfig } from "../../src/config/config.ts";
import { isSpendfuseError } from "../../src/core/errors.ts";
import { readVendorCap } from "../../src/guard/vendor-cap.ts";
import { processId } from "../../src/meter/export/spool/processes.ts";
import { createSpool } from "../../src/meter/export/spool/spool.ts";
import { dropMembers, readMembers } from "../../src/meter/propagation/baggage.ts";
import { readMetricsRequest, takeMetrics } from "../../src/sandbox/intake/otlp.ts";
import { takeSeries } from "../../src/sandbox/intake/v2-series.ts";
import { createSeriesStore } from "../../src/sandbox/series/series.ts";
import { openStore } from "../../src/stores/open.ts";
import { anyJson, damaged, fuzz, replaced } from "./fuzz.ts";

const NOW = Date.UTC(2026, 10, 28, 12);
const folder = mkdtempSync(join(tmpdir(), "spendfuse-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WEBHOOK = {
  ...{ v: 1, monitor: "123", event: "777", transition: "Triggered", cycle: "c1" },
  ...{ scope: "agent:researcher,env:prod", tags: "agent:researcher,host:a", at: NOW, org: "9" },
};

fuzz("a webhook", fc.oneof(anyJson, replaced(WEBHOOK)), (body) => {
  const reading = readWebhook(body, NOW, 60_000);
  expect(["change", "ignore", "fault"]).toContain(reading.type);
  // Only a scope of kinds that are circuits', with a value each.
  if (reading.type === "change") expect(reading.scope).toMatch(/^(?:(?:agent|root_agent|team|project|key):[^,]+,?)+$/);
});

fuzz("an operator's scope", fc.oneof(anyJson, fc.string({ unit: "binary" })), (named) => {
  expect(["string", "undefined"]).toContain(typeof readScope(named));
});

const CONFIG = {
  budgets: [{ name: "a", scope: { agent: "*" }, per: "hour", usd: 20, warnAt: 0.8, finalisation: 0.2 }],
  ...{ mode: "enforce", store: "memory", whenStateUnknown: "open", breaker: { url: "http://127.0.0.1:4319" } },
  prices: [{ model: "m", inputPerMTok: 1, outputPerMTok: 2 }],
  hosts: [{ host: "llm.example.com", like: "api.openai.com" }],
};

/** A budget is what it says or the whole is refused, with our own error. */
function read(text: string, strict: boolean): void {
  try {
    const { caps } = readConfig({}, { SPENDFUSE_CONFIG: text }, () => {}, strict);
    for (const { cap } of caps) expect(Number.isSafeInteger(cap) && cap >= 0).toBe(true);
  } catch (error) {
    expect(isSpendfuseError(error), String(error)).toBe(true);
  }
}

fuzz("a configuration", fc.oneof(anyJson, replaced(CONFIG)), (config) => read(JSON.stringify(config), false));

fuzz("a configuration's text", damaged([JSON.stringify(CONFIG)]), (bytes) => {
  read(bytes.toString(), false);
  read(bytes.toString(), true);
});

fuzz("a vendor's error", fc.tuple(fc.constantFrom(400, 402, 403, 429), anyJson), ([status, body]) => {
  readVendorCap(status, body);
});

fuzz(
  "a baggage",
  fc.oneof(fc.string(), damaged(["spendfuse.agent=a%20b,spendfuse.run=1,other=x;p=1"]).map(String)),
  (text) => {
    readMembers(text);
    expect(dropMembers(text)).not.toMatch(/(?:^|,)\s*spendfuse\./);
  },
);

const series = () => createSeriesStore({ now: () => NOW / 1_000, isHistorical: () => false });
const SERIES = {
  series: [{ metric: "spendfuse.cost", type: 1, points: [{ timestamp: NOW / 1_000, value: 1 }], tags: ["agent:a"] }],
};

fuzz("series sent to the sandbox", fc.oneof(anyJson, replaced(SERIES)), (body) => {
  expect([202, 400]).toContain(takeSeries(body, series(), (seconds) => seconds).status);
});

fuzz(
  "OTLP bytes sent to the sandbox",
  fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged(["\n\u0010\u0012\u000e\n\u0000\u0012\n"])),
  (bytes) => {
    let request: ReturnType<typeof readMetricsRequest>;
    try {
      request = readMetricsRequest(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      return;
    }
    takeMetrics(request, {} as never, series(), (seconds) => seconds);
  },
);

fuzz("a spool's file", damaged(['{"resource":{"attributes":{}},"scopeMetrics":[]}']), (bytes) => {
  const dir = mkdtempSync(join(folder, "spool-"));
  const endpoint = { metrics: { url: "http://127.0.0.1:1", headers: {}, encoding: "json", hint: "" } } as never;
  const spool = createSpool({ dir, endpoint, process: processId(process.pid), maxBytes: 1e6, lost: () => {} });
  spool.write({ signal: "metrics", data: {} } as never, 1);
  const [file = ""] = readdirSync(dir);
  writeFileSync(join(dir, file), bytes);
  spool.claim()?.done();
  rmSync(dir, { recursive: true });
});

fuzz("a store's file", damaged(["SQLite format 3\u0000".padEnd(4_096, "\u0001")]), async (bytes) => {
  const dir = mkdtempSync(join(folder, "store-"));
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "store.db"), bytes);
  try {
    await (await openStore(`file:${join(dir, "store.db")}`)).close();
  } catch (error) {
    expect(isSpendfuseError(error), String(error)).toBe(true);
  }
  rmSync(dir, { recursive: true });
});
