import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/budget.ts";
import { startModelServer } from "../servers/model-server.ts";
import { answer, chat, guard } from "./guarded.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** The arguments after `spendfuse budget`, as a shell splits them, with the placeholders filled in. */
function argumentsOf(message: string, store: string): string[] {
  const line = /To raise it until then: spendfuse budget (.*?) \[spendfuse \{/.exec(message)?.[1] ?? "";
  const filled = line.replace("ADDRESS", `'${store}'`).replace("TEXT", "'a long night'");
  return execFileSync("sh", ["-c", `printf '%s\\n' ${filled}`], { encoding: "utf8" })
    .trim()
    .split("\n");
}

test.each([
  ["day", { name: "the agent's day", scope: { agent: "*" }, per: "day", usd: 0.5 }],
  ["run", { name: "each run", scope: { agent: "*" }, per: "run", usd: 0.5 }],
  ["calls", { name: "calls", per: "month", calls: 1 }],
] as const)("the command that a refusal names lets the next call pass: %s", async (_says, budget) => {
  const dir = mkdtempSync(join(tmpdir(), "spendfuse-raise-"));
  const store = `file:${join(dir, "spend.db")}`;
  const server = await startModelServer();
  server.play(() => answer(1_000_000, 0));
  const guarded = await guard(server, { store, budgets: [budget] });
  try {
    const ask = () => chat(guarded, server.url, { agent: "a", maxTokens: 10 });
    expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect(refused.status).toBe(402);
    const { message } = (refused.json1 as { error: { message: string } }).error;
    vi.stubEnv("SPENDFUSE_CONFIG", JSON.stringify({ budgets: [budget] }));
    vi.stubEnv("USER", "on-call");
    vi.spyOn(console, "log").mockImplementation(() => {});
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const code = await command.run(argumentsOf(message, store));
    expect([code, errors.mock.calls], message).toEqual([0, []]);
    expect((await ask()).status).toBe(200);
  } finally {
    await guarded.stop();
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
