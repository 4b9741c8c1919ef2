import { type Config, readConfig } from "../../../config/config.ts";
import { readAssets } from "../../../datadog/assets.ts";
import { withTagVariables } from "../../../datadog/deploy/wanted.ts";
import { type Clock, realClock, simulatedClock } from "../../../sandbox/clock.ts";
import type { RateLimit } from "../../../sandbox/intake/rate-limits.ts";
import { preload } from "../../../sandbox/preload.ts";
import { createSandbox } from "../../../sandbox/sandbox.ts";
import { type ServerOptions, startSandboxServer } from "../../../sandbox/server.ts";
import { usage } from "../command.ts";
import type { Values } from "../sandbox.ts";

/** Serves until the process is stopped. Resolves to the exit code. */
export async function run(values: Values): Promise<number> {
  const clock = clockOf(values);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw usage("--port must be a number from 0 to 65535");
  if (values.breaker !== undefined && !/^https?:$/.test(URL.parse(values.breaker)?.protocol ?? ""))
    throw usage("--breaker must be an http or https address");
  const rateLimit = rateLimitOf(values["rate-limit"]);
  const config = readConfig({}, undefined, (message) => console.error(`spendfuse sandbox: ${message}`));
  await serve(clock, { port, rateLimit }, values, config);
  return 0;
}

function clockOf({ simulated, start, speed }: Values): Clock {
  if (!simulated) {
    if (start !== undefined || speed !== undefined) throw usage("--start and --speed need --simulated");
    return realClock();
  }
  const origin = start === undefined ? Date.now() / 1_000 - 86_400 : Date.parse(start) / 1_000;
  if (Number.isNaN(origin)) throw usage("--start must be a time such as 2026-11-02T09:00:00Z");
  const factor = Number(speed ?? 0);
  if (!(factor >= 0 && factor <= 3_600)) throw usage("--speed must be a number from 0 to 3600");
  return simulatedClock(origin, factor);
}

/** `100/60` as 100 requests a minute. */
function rateLimitOf(text: string | undefined): RateLimit | undefined {
  if (text === undefined) return undefined;
  const [, requests, period] = /^([1-9]\d{0,8})\/([1-9]\d{0,5})$/.exec(text) ?? [];
  if (period === undefined) throw usage("--rate-limit must be requests/seconds, such as 100/60");
  return { requests: Number(requests), period: Number(period) };
}

async function serve(
  clock: Clock,
  options: Pick<ServerOptions, "port" | "rateLimit">,
  values: Values,
  { env, tags = [] }: Config,
): Promise<void> {
  const stand = createSandbox({ clock });
  const breaker = values.breaker?.replace(/\/+$/, "");
  const secret = env.SPENDFUSE_WEBHOOK_SECRET;
  const target = breaker === undefined ? undefined : { breaker, secret };
  preload(stand.account, values.empty ? [] : withTagVariables(readAssets(values.assets), tags), target);
  const link = breaker === undefined ? undefined : { url: breaker, token: env.SPENDFUSE_OPERATOR_TOKEN };
  const server = await startSandboxServer(stand, { ...options, breaker: link });
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
