import { appendFileSync } from "node:fs";
import { isLoopback } from "../../../http/own-host.ts";
import { theRuntime } from "../../../process/runtime.ts";
import { type Api, writeAddress } from "../../../proxy/address.ts";
import { DEFAULT_PORT } from "../../../proxy/server.ts";
import { usage } from "../command.ts";
import type { Values } from "../proxy.ts";
import { openProxy } from "./open.ts";

/** Serves until the process is stopped. Resolves to the exit code. */
export async function run(values: Values): Promise<number> {
  const port = values.port === undefined ? DEFAULT_PORT : Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw usage("--port must be a number from 0 to 65535");
  const { calls, host, agent } = values;
  if (calls !== undefined) writeCalls(calls);
  const { proxy, token } = await openProxy({ port, host, agent });
  // On loopback the token is only wanted where it was set.
  console.log(
    `spendfuse proxy: ${proxy.url}${host === undefined || isLoopback(host) ? "" : ", open to other machines"}\n`,
  );
  console.log(linesFor(proxy.url, token === undefined ? undefined : "TOKEN"));
  process.on("SIGHUP", reload);
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  await proxy.close();
  await theRuntime().stop();
  return 0;
}

/** Where the configuration is wrong, the old one holds. */
function reload(): void {
  try {
    theRuntime().reload();
  } catch (error) {
    console.error(`spendfuse proxy: configuration not read again, the old one holds: ${(error as Error).message}`);
  }
}

/** Fails at once where the file cannot be written. */
function writeCalls(file: string): void {
  try {
    appendFileSync(file, "");
  } catch (error) {
    throw usage(`--calls: ${(error as Error).message}: it must be a file that this user can write`);
  }
  theRuntime().listeners.add((call) => appendFileSync(file, `${JSON.stringify(call)}\n`));
}

function linesFor(url: string, token: string | undefined): string {
  const at = (api: Api): string => writeAddress(url, api, { token });
  const rows = [
    ["Claude Code", `ANTHROPIC_BASE_URL=${at("anthropic")} claude`],
    ["Codex", `codex -c 'openai_base_url="${at("openai")}"'`],
    ["Gemini CLI", `GOOGLE_GEMINI_BASE_URL=${at("gemini")} gemini`],
    ["opencode", `OPENAI_BASE_URL=${at("openai")} ANTHROPIC_BASE_URL=${at("anthropic")} opencode`],
    ["Python", `OPENAI_BASE_URL=${at("openai")} ANTHROPIC_BASE_URL=${at("anthropic")} python app.py`],
  ];
  const lines = rows.map(([name = "", line]) => `  ${name.padEnd(13)}${line}`);
  const named = writeAddress(url, "anthropic", { token, agent: "NAME" });
  return `${lines.join("\n")}\n\nTo name the agent, put /agent/NAME before the API: ${named}`;
}
