import { createHash } from "node:crypto";
import { SpendfuseError } from "../../core/errors.ts";
import { findAppPackage } from "../../package/from-app.ts";
import { type Change, within } from "../store.ts";

/** Two connections to one server, for commands and for notifications, and who is notified. */
export interface Connection {
  /** Host and port. */
  readonly where: string;
  /** Begins every key; the braces keep the keys on one node of a cluster. */
  readonly prefix: string;
  /** Where changes are published. */
  readonly channel: string;
  readonly client: Client;
  readonly subscriber: Client;
  readonly listeners: Set<(change: Change) => void>;
  /** At least one of the two is disconnected. */
  away: boolean;
  /** The server's last refusal of our credentials. */
  refused: Error | undefined;
}

/** What is used of a client of the `redis` package, version 5 or later. */
interface Client {
  readonly isReady: boolean;
  on(event: string, listener: (error?: Error) => void): void;
  connect(): Promise<unknown>;
  duplicate(): Client;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  sendCommand(words: readonly string[]): Promise<unknown>;
  unref(): void;
  destroy(): void;
}

interface RedisPackage {
  createClient(options: object): Client;
}

const SCHEME = /^(redis|valkey)(s?):\/\//;
const REFUSED = /WRONGPASS|NOAUTH|NOPERM|invalid password/i;
const COMMAND_MS = 2_000;
const MAX_RECONNECT_MS = 2_000;

/**
 * Resolves even while Redis is unreachable: commands reject until it is back.
 * @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE`, or `SPENDFUSE_STORE` when Redis rejects our credentials.
 */
export async function openConnection(address: string): Promise<Connection> {
  const url = new URL(address.replace(SCHEME, "redis$2://"));
  const prefix = `{${url.searchParams.get("prefix") ?? "spendfuse"}}:`;
  url.search = "";
  const { createClient } = await findAppPackage<RedisPackage>("redis", "createClient", "the redis store");
  const client = createClient({
    url: url.href,
    disableOfflineQueue: true,
    socket: { connectTimeout: COMMAND_MS, reconnectStrategy: reconnectDelay },
  });
  const connection: Connection = {
    where: url.host,
    prefix,
    channel: `${prefix}changes`,
    client,
    subscriber: client.duplicate(),
    listeners: new Set(),
    away: false,
    refused: undefined,
  };
  watchClient(connection, client);
  watchClient(connection, connection.subscriber);
  await connect(connection);
  return connection;
}

/** Milliseconds, at random, so that a fleet does not come back all at once. */
function reconnectDelay(attempt: number): number {
  return Math.min(50 * 2 ** attempt, MAX_RECONNECT_MS) * (0.5 + Math.random() / 2);
}

function watchClient(connection: Connection, client: Client): void {
  const update = () => updateAvailability(connection);
  for (const event of ["ready", "end", "reconnecting"]) client.on(event, update);
  client.on("error", (error) => {
    if (REFUSED.test(error?.message ?? "")) connection.refused = error;
    update();
  });
}

function updateAvailability(connection: Connection): void {
  const away = isAway(connection);
  if (away === connection.away) return;
  connection.away = away;
  notify(connection, { type: away ? "away" : "back" });
}

function isAway({ client, subscriber }: Connection): boolean {
  return !client.isReady || !subscriber.isReady;
}

async function connect(connection: Connection): Promise<void> {
  const { client, subscriber } = connection;
  const connected = Promise.all([client.connect(), subscribe(connection)]);
  await within(connected, COMMAND_MS).catch((error) => {
    connection.refused ??= REFUSED.test(String(error)) ? error : undefined;
    if (connection.refused === undefined) return;
    destroy(connection);
    throw storeError(connection, connection.refused);
  });
  connected.catch(() => {});
  connection.away = isAway(connection);
  // A pending command keeps the process alive by its timer; an idle connection must not.
  client.unref();
  subscriber.unref();
}

async function subscribe(connection: Connection): Promise<void> {
  const { subscriber, channel } = connection;
  await subscriber.connect();
  await subscriber.subscribe(channel, (message) => notify(connection, JSON.parse(message) as Change));
}

export function notify({ listeners }: Connection, change: Change): void {
  for (const listener of listeners) listener(change);
}

/** Sends one command. @throws SpendfuseError `SPENDFUSE_STORE`, after two seconds at the latest. */
export async function send(connection: Connection, ...words: readonly string[]): Promise<unknown> {
  try {
    return await within(connection.client.sendCommand(words), COMMAND_MS);
  } catch (error) {
    throw storeError(connection, error);
  }
}

/** Runs a Lua script, by its hash where the server has it already. */
export async function runScript(
  connection: Connection,
  script: string,
  keys: readonly string[],
  values: readonly string[],
): Promise<unknown> {
  const sha = createHash("sha1").update(script).digest("hex");
  const rest = [String(keys.length), ...keys, ...values];
  try {
    return await send(connection, "EVALSHA", sha, ...rest);
  } catch (error) {
    if (!String((error as Error).message).includes("NOSCRIPT")) throw error;
    return send(connection, "EVAL", script, ...rest);
  }
}

export function destroy({ client, subscriber }: Connection): void {
  client.destroy();
  subscriber.destroy();
}

function storeError({ where }: Connection, cause: unknown): SpendfuseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SpendfuseError("SPENDFUSE_STORE", `the store at ${where} cannot be used: ${reason}`, { where }, cause);
}
