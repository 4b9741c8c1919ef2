import { parseArgs } from "node:util";
import { type Config, readConfig } from "../config/config.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { readAssets } from "../datadog/assets.ts";
import { type Clock, realClock, simulatedClock } from "../sandbox/clock.ts";
import { preload } from "../sandbox/preload.ts";
import { createSandbox } from "../sandbox/sandbox.ts";
import { startSandboxServer } from "../sandbox/server.ts";

const DEFAULT_PORT = 4320;

const HELP = `spendfuse sandbox: a stand-in for Datadog on this machine. It is not Datadog.

It takes OTLP metrics and spans (/v1/metrics, /v1/traces) and v2 series, evaluates monitors, sends their webhooks, and
draws dashboards on a page. It holds what it got in memory, and ends with Ctrl-C.

  spendfuse sandbox

  --port PORT      ${DEFAULT_PORT} when absent; 0 is any that is free
  --breaker URL    where webhooks go, and whose circuits the page shows; with SPENDFUSE_WEBHOOK_SECRET and, to trip and
                   reset at the page, SPENDFUSE_OPERATOR_TOKEN
  --assets DIR     dashboards/ and monitors/ of this folder instead of ours
  --empty          no dashboards and monitors: deploy them with DD_API_KEY=x DD_APP_KEY=x SPENDFUSE_DD_API_URL=URL
  --simulated      a clock that moves at the page, or by POST /sandbox/clock { "advance": seconds }
  --start TIME     where that clock begins, such as 2026-11-02T09:00:00Z; a day ago when absent
  --speed N        seconds of that clock in a second; 0 when absent

Send an app's metrics to it: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${DEFAULT_PORT}`;

const OPTIONS = {
  port: { type: "string" },
  breaker: { type: "string" },
  assets: { type: "string" },
  empty: { type: "boolean" },
  simulated: { type: "boolean" },
  start: { type: "string" },
  speed: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof readValues>;

/** Runs `spendfuse sandbox` until it is told to end. */
export async function sandbox(args: string[]): Promise<number> {
  let values: Values;
  try {
    values = readValues(args);
  } catch (error) {
    return misuse((error as Error).message);
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const clock = clockOf(values);
  if (typeof clock === "string") return misuse(clock);
  const port = Number(values.port ?? DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return misuse("--port must be a number from 0 to 65535");
  if (values.breaker !== undefined && !/^https?:$/.test(URL.parse(values.breaker)?.protocol ?? ""))
    return misuse("--breaker must be an http or https address");
  try {
    const { env } = readConfig({}, undefined, (message) => console.error(`spendfuse sandbox: ${message}`));
    await serve(clock, port, values, env);
    return 0;
  } catch (error) {
    if (isSpendfuseError(error)) console.error(`spendfuse sandbox: ${error.message}`);
    else if ((error as { code?: string }).code === "EADDRINUSE")
      console.error(`spendfuse sandbox: port ${port} is taken; name another with --port`);
    else throw error;
    return 1;
  }
}

function readValues(args: string[]) {
  return parseArgs({ args, options: OPTIONS }).values;
}

function misuse(why: string): number {
  console.error(`spendfuse sandbox: ${why}\n\n${HELP}`);
  return 2;
}

/** The clock that the options ask for, or what is wrong with them. */
function clockOf({ simulated, start, speed }: Values): Clock | string {
  if (!simulated)
    return start === undefined && speed === undefined ? realClock() : "--start and --speed need --simulated";
  const origin = start === undefined ? Date.now() / 1_000 - 86_400 : Date.parse(start) / 1_000;
  if (Number.isNaN(origin)) return "--start must be a time such as 2026-11-02T09:00:00Z";
  const factor = Number(speed ?? 0);
  if (!(factor >= 0 && factor <= 3_600)) return "--speed must be a number from 0 to 3600";
  return simulatedClock(origin, factor);
}

async function serve(clock: Clock, port: number, values: Values, env: Config["env"]): Promise<void> {
  const stand = createSandbox({ clock });
  const breaker = values.breaker?.replace(/\/+$/, "");
  const secret = env.SPENDFUSE_WEBHOOK_SECRET;
  const target = breaker === undefined ? undefined : { breaker, secret };
  preload(stand.account, values.empty ? [] : readAssets(values.assets), target);
  const link = breaker === undefined ? undefined : { url: breaker, token: env.SPENDFUSE_OPERATOR_TOKEN };
  const server = await startSandboxServer(stand, { port, breaker: link });
  const refused = [...stand.engine.watches.values()].filter((watch) => watch.refused !== undefined);
  console.log(`spendfuse sandbox, which is not Datadog: ${server.url}`);
  console.log(`${stand.engine.watches.size} monitors, ${stand.account.dashboards().length} dashboards`);
  for (const { body, refused: why } of refused) console.log(`not evaluated: ${body.name}: ${why}`);
  console.log(`metrics: OTEL_EXPORTER_OTLP_ENDPOINT=${server.url}`);
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  await server.close();
}
