import { describe, expect, test } from "vitest";
import { realClock } from "../../src/sandbox/clock.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { startSandboxServer } from "../../src/sandbox/server.ts";
import { differences } from "./allowed.ts";
import { hasExchanges, parse, type RecordedExchange, readExchanges, unsupported } from "./exchanges.ts";
import { type Ask, bodyWithIds, prepare, type Reply, withIds } from "./replay.ts";

/** What the sandbox answers otherwise than Datadog did, in words. A new account for each exchange. */
async function replay(exchange: RecordedExchange): Promise<readonly string[]> {
  const sandbox = createSandbox({ clock: realClock() });
  const server = await startSandboxServer(sandbox, { port: 0 });
  const ask: Ask = async (method, path, body): Promise<Reply> => {
    const response = await fetch(server.url + path, {
      method,
      headers: { "dd-api-key": "k", "dd-application-key": "k", "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const contentType = response.headers.get("content-type")?.split(";")[0];
    return { status: response.status, contentType, body: parse(text) };
  };
  const point = (metric: string): void => {
    const now = Math.floor(Date.now() / 1_000);
    sandbox.store.write(metric, "gauge", "", () => [], now, 1);
  };
  try {
    const ids = await prepare(exchange, ask, point);
    const ours = await ask(exchange.method, withIds(exchange.path, ids), bodyWithIds(exchange.request, ids));
    return compare(exchange, ours, ids);
  } finally {
    await server.close();
  }
}

function compare(exchange: RecordedExchange, ours: Reply, ids: ReadonlyMap<string, string>): readonly string[] {
  const { status, response, headers } = exchange;
  const recorded = bodyWithIds(response, ids);
  const found = [...differences(recorded, ours.body)];
  if (status !== ours.status) found.push(`status: recorded ${status}, ours ${ours.status}`);
  const type = headers["content-type"]?.split(";")[0];
  if (type !== ours.contentType) found.push(`content-type: recorded ${type}, ours ${ours.contentType}`);
  return found;
}

describe.skipIf(!hasExchanges)("the sandbox answers as Datadog was recorded to", () => {
  test("every exchange of a kind that it supports", { timeout: 300_000 }, async () => {
    const all = readExchanges();
    const supported = all.filter(({ path }) => unsupported(path) === undefined);
    const failures: string[] = [];
    for (const exchange of supported) {
      const found = await replay(exchange).catch((error: Error) => [error.message]);
      if (found.length > 0)
        failures.push(`${exchange.source.slice(0, 80)}: ${exchange.method} ${exchange.path}\n  ${found.join("\n  ")}`);
    }
    const rest = new Map<string, number>();
    for (const { path } of all) {
      const what = unsupported(path);
      if (what !== undefined) rest.set(what, (rest.get(what) ?? 0) + 1);
    }
    const named = [...rest].map(([what, count]) => `${count} about ${what}`).join(", ");
    console.log(`${supported.length - failures.length} of ${supported.length} as recorded; not supported: ${named}`);
    expect(failures.join("\n")).toBe("");
  });
});
