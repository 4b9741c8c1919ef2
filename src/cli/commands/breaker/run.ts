import { TTL_MS } from "../../../breaker/operations.ts";
import { DEFAULT_PORT, startBreaker } from "../../../breaker/server.ts";
import { HEADERS, PAYLOAD, SECRET_VARIABLE, WEBHOOK_NAME } from "../../../breaker/template.ts";
import { type Config, readCommandConfig } from "../../../config/config.ts";
import { readDuration } from "../../../core/period.ts";
import { DEFAULT_STORE } from "../../../stores/addresses.ts";
import { openStore } from "../../../stores/open.ts";
import type { Values } from "../breaker.ts";
import { unknownVerb, usage } from "../command.ts";
import { POLL_EVERY_MS, startDatadogWork } from "./datadog.ts";
import { type Desk, openDesk } from "./desk.ts";
import { incidentLines, muteAlerting, muteOf } from "./incident.ts";
import { createReloading, followReloads } from "./reloading.ts";
import { circuitTable, countTable, logTable } from "./tables.ts";

const VERBS = ["serve", "status", "trip", "reset", "log", "template"];

/** Serves, or runs an operator's command. Resolves to the exit code. */
export async function run(values: Values, [verb = "serve", scope, ...more]: readonly string[]): Promise<number> {
  if (!VERBS.includes(verb)) throw unknownVerb("breaker", verb, VERBS);
  const changes = verb === "trip" || verb === "reset";
  if (more.length > 0 || (!changes && scope !== undefined))
    throw usage(`unexpected argument "${more[0] ?? scope}": ${verb} takes ${changes ? "one scope" : "options only"}`);
  if (changes && scope === undefined) throw usage(`${verb} needs a scope, such as agent:researcher`);
  const config = readCommandConfig((message) => console.error(`spendfuse breaker: ${message}`));
  if (verb === "serve") return await serve(values, config);
  if (verb === "template") return template();
  const desk = await openDesk(config, values);
  try {
    if (verb === "status") return await status(desk, values);
    if (changes) return await change(desk, verb, scope as string, values, config.env);
    return await log(desk, values);
  } finally {
    await desk.close();
  }
}

async function serve(values: Values, config: Config): Promise<number> {
  const { env, store: configured, breaker: own, tags } = config;
  const port = values.port === undefined ? (own?.port ?? DEFAULT_PORT) : Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw usage("--port must be a number from 0 to 65535");
  const ttl = values.ttl ?? own?.ttl;
  const ttlMs = ttl === undefined ? undefined : readDuration(ttl);
  if (ttl !== undefined && ttlMs === undefined) throw usage("--ttl must be a time such as 15m");
  const host = values.host ?? own?.host;
  const {
    SPENDFUSE_WEBHOOK_SECRET: secrets = "",
    SPENDFUSE_WEBHOOK_BASIC: basic,
    SPENDFUSE_OPERATOR_TOKEN: token,
  } = env;
  const store = await openStore(values.store ?? configured ?? DEFAULT_STORE);
  const say = (message: string): void => console.error(`spendfuse breaker: ${message}`);
  const everyMs = values["poll-every"] === undefined ? POLL_EVERY_MS : (readDuration(values["poll-every"]) ?? 0);
  if (!(everyMs >= 1_000)) throw usage("--poll-every must be a time such as 1m, of a second or more");
  const reloading = createReloading(config);
  const server = await startBreaker({
    store,
    port,
    ...(host !== undefined && { host }),
    webhookSecrets: secrets.split(",").flatMap((secret) => secret.trim() || []),
    ...(basic && { basic }),
    ...(token && { operatorToken: token }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(tags && { tags }),
    caps: reloading.caps,
    reload: reloading.reload,
    say,
    ...(values["log-requests"] === true && { logRequest: (line: string) => console.error(line) }),
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const unfollow = followReloads(store, reloading, say);
  console.log(`spendfuse breaker listens on ${server.url}; webhooks go to ${server.url}/webhooks/datadog`);
  if (!secrets && !basic) console.log("no webhook secret is set: anyone who can reach this port can stop agents");
  const poll = values["poll-monitors"] === true;
  const endWork = startDatadogWork({
    store,
    env,
    poll,
    everyMs,
    ttlMs: ttlMs ?? TTL_MS,
    tags: tags ?? [],
    say,
    clock: Date.now,
  });
  if (poll)
    console.log(
      `monitor states are read every ${everyMs / 1_000} s: a trip comes up to that much later than by webhook`,
    );
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  unfollow();
  endWork();
  await server.close();
  await store.close();
  return 0;
}

function template(): number {
  console.log(`In Datadog: Integrations, Webhooks, New.

Name: ${WEBHOOK_NAME}
URL: https://YOUR-BREAKER/webhooks/datadog
Payload:
${PAYLOAD}
Custom headers:
${HEADERS}

Below "Custom variables" add ${SECRET_VARIABLE} with the secret, hidden from view.
In the monitor's message: {{#is_alert}}@webhook-${WEBHOOK_NAME} {{/is_alert}}{{#is_renotify}}@webhook-${WEBHOOK_NAME} {{/is_renotify}}`);
  return 0;
}

async function status(desk: Desk, values: Values): Promise<number> {
  const [{ circuits }, { counts, why }] = await Promise.all([desk.circuits(), desk.counts(limitOf(values))]);
  if (values.json) console.log(JSON.stringify({ circuits, counts }));
  else console.log([...circuitTable(circuits, Date.now()), "", ...(why ? [why] : countTable(counts))].join("\n"));
  return 0;
}

async function log(desk: Desk, values: Values): Promise<number> {
  const entries = await desk.audit(limitOf(values));
  console.log(values.json ? JSON.stringify({ entries }) : logTable(entries).join("\n"));
  return 0;
}

async function change(
  desk: Desk,
  verb: "trip" | "reset",
  scope: string,
  values: Values,
  env: Config["env"],
): Promise<number> {
  const { ttl, reason, by = env.USER, only } = values;
  const muteMs = verb === "reset" ? muteOf(values, env) : undefined;
  const answer = await desk.change(verb, { scope, ttl, reason, by, ...(only && { only }) });
  const until = answer.until === undefined ? "" : ` until ${new Date(answer.until).toISOString()}`;
  if (values.json) console.log(JSON.stringify(answer));
  else {
    console.log(`${answer.scope}: ${answer.state}${until} (${answer.why})`);
    for (const line of incidentLines(answer, muteMs !== undefined)) console.log(line);
  }
  return muteMs === undefined ? 0 : await muteAlerting(answer, env, Date.now() + muteMs, (line) => console.error(line));
}

function limitOf({ limit }: Values): number {
  return limit === undefined ? 50 : Math.max(1, Math.trunc(Number(limit)) || 50);
}
