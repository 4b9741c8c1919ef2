import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { persistentFetch, TRIES } from "../../src/datadog/rest/persistent-fetch.ts";

type Answer = readonly [status: number, headers?: Record<string, string>];

let server: Server;
let url: string;
let answers: Answer[];
let asked: number;

beforeEach(async () => {
  asked = 0;
  server = createServer((_request, response) => {
    asked += 1;
    const [status, headers] = answers.shift() ?? [200];
    response.writeHead(status, headers).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => server.close());

const DATE = "Sat, 28 Nov 2026 12:00:00 GMT";

test.each<[string, string, readonly Answer[], number, readonly number[]]>([
  ["a limit that says when it resets", "POST", [[429, { "x-ratelimit-reset": "7" }]], 200, [7_000]],
  ["a limit with a time to wait", "POST", [[429, { "retry-after": "3" }]], 200, [3_000]],
  ["both: the longer", "GET", [[429, { "x-ratelimit-reset": "2", "retry-after": "3" }]], 200, [3_000]],
  ["a date", "GET", [[429, { "retry-after": "Sat, 28 Nov 2026 12:00:09 GMT", date: DATE }]], 200, [9_000]],
  ["a date that is over", "GET", [[429, { "retry-after": "Sat, 28 Nov 2026 11:00:00 GMT", date: DATE }]], 200, [0]],
  ["a wait of hours", "GET", [[429, { "retry-after": "86400" }]], 200, [60_000]],
  ["no figure", "GET", [[429, { "x-ratelimit-reset": "soon", "retry-after": "later" }]], 200, [1_000]],
  ["no header", "GET", [[429], [429]], 200, [1_000, 2_000]],
  ["an outage with a time to wait", "PUT", [[503, { "retry-after": "5" }]], 200, [5_000]],
  ["an outage at a request that may have been taken", "POST", [[503, { "retry-after": "5" }]], 503, []],
  ["a refusal", "GET", [[403]], 403, []],
  ["no end of it", "GET", Array.from({ length: TRIES }, () => [429] as const), 429, [1_000, 2_000, 4_000, 8_000]],
])("%s: %s", async (_name, method, given, status, waits) => {
  answers = [...given];
  const slept: number[] = [];
  const response = await persistentFetch(async (ms) => void slept.push(ms))(url, { method });
  expect([response.status, slept, asked]).toEqual([status, waits, waits.length + 1]);
});
