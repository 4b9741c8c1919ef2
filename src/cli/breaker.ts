import { parseArgs } from "node:util";
import { DEFAULT_PORT, startBreaker } from "../breaker/server.ts";
import { HEADERS, PAYLOAD, SECRET_VARIABLE, WEBHOOK_NAME } from "../breaker/template.ts";
import { type Config, readConfig } from "../config/config.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { readDuration } from "../core/period.ts";
import { openStore } from "../stores/open.ts";
import { type Desk, openDesk } from "./breaker/desk.ts";
import { circuitTable, countTable, logTable } from "./breaker/tables.ts";

const HELP = `spendfuse breaker: receives the webhooks of Datadog monitors and opens the circuits of who spends too much.

  spendfuse breaker                 listens until it is told to stop
    --port N      the port; default ${DEFAULT_PORT}
    --host H      the address; default 127.0.0.1. Others need a webhook secret and an operator token
    --store S     memory, file:PATH or redis://HOST:PORT; default: the configuration's, else memory.
                  The other commands change that store itself, and ask no breaker
    --ttl T       how long a trip lasts, such as 15m
  spendfuse breaker status          the circuits that are not closed, and what budgets have spent
  spendfuse breaker trip SCOPE      stops agent:NAME, team:NAME, root_agent:, project:, key: or all
    --ttl T, --reason TEXT, --by NAME
  spendfuse breaker reset SCOPE     lets it go on
  spendfuse breaker log             who changed what, and why
  spendfuse breaker template        what to enter in Datadog

    --url U       the breaker to ask; default: the configuration's, else http://127.0.0.1:${DEFAULT_PORT}
    --limit N     rows to show; default 50
    --json        the answer as it came

From the environment: SPENDFUSE_WEBHOOK_SECRET (two, with a comma, while one is replaced), SPENDFUSE_WEBHOOK_BASIC
(USER:PASSWORD), SPENDFUSE_OPERATOR_TOKEN, SPENDFUSE_BREAKER_URL, SPENDFUSE_STORE.`;

const VERBS = ["serve", "status", "trip", "reset", "log", "template"];

const OPTIONS = {
  port: { type: "string" },
  host: { type: "string" },
  store: { type: "string" },
  ttl: { type: "string" },
  url: { type: "string" },
  reason: { type: "string" },
  by: { type: "string" },
  limit: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = {
  readonly [K in keyof typeof OPTIONS]?: (typeof OPTIONS)[K]["type"] extends "boolean" ? boolean : string;
};

/** Runs `spendfuse breaker`; the exit code is 0, 1 when it failed, 2 when it was called wrongly. */
export async function breaker(args: string[]): Promise<number> {
  let values: Values;
  let words: string[];
  try {
    const parsed = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    values = parsed.values;
    words = parsed.positionals;
  } catch (error) {
    return misuse((error as Error).message);
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [verb = "serve", scope, ...more] = words;
  if (!VERBS.includes(verb)) return misuse(`there is no "breaker ${verb}"`);
  const needsScope = verb === "trip" || verb === "reset";
  if (more.length > 0 || (!needsScope && scope !== undefined))
    return misuse(`"${more[0] ?? scope}" is one word too many`);
  if (needsScope && scope === undefined) return misuse(`${verb} needs a scope, such as agent:researcher`);
  let desk: Desk | undefined;
  try {
    const config = readConfig({}, undefined, (message) => console.error(`spendfuse breaker: ${message}`));
    if (verb === "serve") return await serve(values, config);
    if (verb === "template") return template();
    desk = await openDesk(config, values);
    if (verb === "status") return await status(desk, values);
    if (needsScope) return await change(desk, verb, scope as string, values, config.env.USER);
    return await log(desk, values);
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    console.error(`spendfuse breaker: ${error.message}`);
    return error.code === "SPENDFUSE_USAGE" ? 2 : 1;
  } finally {
    await desk?.close();
  }
}

function misuse(why: string): number {
  console.error(`spendfuse breaker: ${why}\n\n${HELP}`);
  return 2;
}

async function serve(values: Values, { env, store: configured, breaker: own }: Config): Promise<number> {
  const port = values.port === undefined ? (own?.port ?? DEFAULT_PORT) : Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return misuse("--port must be a number from 0 to 65535");
  const ttl = values.ttl ?? own?.ttl;
  const ttlMs = ttl === undefined ? undefined : readDuration(ttl);
  if (ttl !== undefined && ttlMs === undefined) return misuse("--ttl must be a time such as 15m");
  const host = values.host ?? own?.host;
  const {
    SPENDFUSE_WEBHOOK_SECRET: secrets = "",
    SPENDFUSE_WEBHOOK_BASIC: basic,
    SPENDFUSE_OPERATOR_TOKEN: token,
  } = env;
  const store = await openStore(values.store ?? configured ?? "memory");
  const server = await startBreaker({
    store,
    port,
    ...(host !== undefined && { host }),
    webhookSecrets: secrets.split(",").flatMap((secret) => secret.trim() || []),
    ...(basic && { basic }),
    ...(token && { operatorToken: token }),
    ...(ttlMs !== undefined && { ttlMs }),
    say: (message) => console.error(`spendfuse breaker: ${message}`),
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  console.log(`spendfuse breaker listens on ${server.url}; webhooks go to ${server.url}/webhooks/datadog`);
  if (!secrets && !basic) console.log("no webhook secret is set: whoever reaches this port can stop agents");
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
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
  user?: string,
): Promise<number> {
  const { ttl, reason, by = user } = values;
  const answer = await desk.change(verb, { scope, ttl, reason, by });
  const until = answer.until === undefined ? "" : ` until ${new Date(answer.until).toISOString()}`;
  console.log(values.json ? JSON.stringify(answer) : `${answer.scope}: ${answer.state}${until} (${answer.why})`);
  return 0;
}

function limitOf({ limit }: Values): number {
  return limit === undefined ? 50 : Math.max(1, Math.trunc(Number(limit)) || 50);
}
