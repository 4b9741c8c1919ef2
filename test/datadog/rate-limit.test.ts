import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/deploy.ts";
import { realClock } from "../../src/sandbox/clock.ts";
import { createSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";
import { type SandboxServer, startSandboxServer } from "../../src/sandbox/server.ts";

const ARGS = ["--notify", "@oncall-x", "--webhook-url", "https://breaker.example.com/webhooks/datadog"];

let sandbox: Sandbox;
let server: SandboxServer;
const statuses: number[] = [];

beforeEach(async () => {
  statuses.length = 0;
  sandbox = createSandbox({ clock: realClock() });
  // So few that a deploy meets the limit of several resources, and more than once.
  server = await startSandboxServer(sandbox, { port: 0, rateLimit: { requests: 15, period: 1 } });
  const env = { DD_API_KEY: "a", DD_APP_KEY: "b", SPENDFUSE_DD_API_URL: server.url };
  for (const [name, value] of Object.entries({ ...env, SPENDFUSE_WEBHOOK_SECRET: "a-secret-of-sixteen" }))
    vi.stubEnv(name, value);
  const real = globalThis.fetch;
  vi.stubGlobal("fetch", async (...args: Parameters<typeof fetch>) => {
    const response = await real(...args);
    statuses.push(response.status);
    return response;
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  await server.close();
});

async function deploy(...args: string[]) {
  let said = "";
  const take = (text: unknown): void => {
    said += `${text}\n`;
  };
  const spies = [vi.spyOn(console, "log"), vi.spyOn(console, "error")].map((spy) => spy.mockImplementation(take));
  const code = await command.run([...ARGS, ...args]);
  for (const spy of spies) spy.mockRestore();
  return { code, said };
}

test("a deploy into an account that limits its requests waits, and is complete", { timeout: 120_000 }, async () => {
  const first = await deploy();
  expect(first.code, first.said).toBe(0);
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(1);
  expect(sandbox.account.monitors().length).toBeGreaterThan(15);
  const names = sandbox.account.monitors().map(({ body }) => body.name);
  expect(new Set(names).size).toBe(names.length);
  const second = await deploy("--detailed-exitcode");
  expect(second.code, second.said).toBe(0);
});

test("every answer of the API says what is left", async () => {
  const headers = { "dd-api-key": "a", "dd-application-key": "b" };
  const response = await fetch(`${server.url}/api/v1/dashboard`, { headers });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "x-ratelimit-limit": "15",
    "x-ratelimit-period": "1",
    "x-ratelimit-remaining": "14",
    "x-ratelimit-reset": "1",
    "x-ratelimit-name": "dashboard_v1",
  });
});
