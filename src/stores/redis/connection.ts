import { createHash } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";
import { isSpendfuseError, SpendfuseError } from "../../core/errors.ts";
import { object, parse } from "../../core/json.ts";
import { asCircuit } from "../../limits/circuit.ts";
import { findAppPackage } from "../../package/from-app.ts";
import { type Change, within } from "../store.ts";
import { type Address, type Node, readAddress } from "./address.ts";
import { fixOf } from "./faults.ts";
import {
  type Client,
  clusterNodes,
  connectToOwner,
  createClientOf,
  destroyQuietly,
  ownerIn,
  type RedisPackage,
} from "./locate.ts";
import { checkVersion } from "./schema-version.ts";

/** Two connections to one server, for commands and for notifications, and who is notified. */
export interface Connection {
  /** Host and port, as the address names them. */
  readonly where: string;
  readonly address: Address;
  /** Begins every key; the braces keep the keys on one node of a cluster. */
  readonly prefix: string;
  /** Where changes are published. */
  readonly channel: string;
  readonly listeners: Set<(change: Change) => void>;
  readonly redis: RedisPackage;
  link: Link | undefined;
  /** Nodes of the cluster that were seen; they are asked where the address's own do not answer. */
  known: readonly Node[];
  /** Why the last attempt to connect failed. */
  failure: unknown;
  /** Attempts to connect since the connection was lost. */
  attempts: number;
  retry: ReturnType<typeof setTimeout> | undefined;
  closed: boolean;
}

interface Link {
  readonly node: Node;
  readonly client: Client;
  readonly subscriber: Client;
}

const REFUSED = /WRONGPASS|NOAUTH|NOPERM|invalid password/i;
/** The server is no longer the one that takes writes. */
const DEMOTED = /^(?:MOVED|ASK|READONLY|MASTERDOWN|CLUSTERDOWN)\b/;
const COMMAND_MS = 3_000;
/** Shorter than a store that lost its counts waits for holders to report again. */
const MAX_RECONNECT_MS = 900;

/**
 * Resolves even while Redis is unreachable: commands reject until it is back.
 * @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE`, or `SPENDFUSE_STORE` when Redis rejects our credentials, or
 * a later spendfuse has written what is kept.
 */
export async function openConnection(text: string): Promise<Connection> {
  const address = readAddress(text);
  const prefix = `{${address.prefix}}:`;
  const connection: Connection = {
    where: address.nodes.map(({ host, port }) => `${host}:${port}`).join(","),
    address,
    prefix,
    channel: `${prefix}changes`,
    listeners: new Set(),
    redis: await findAppPackage<RedisPackage>("redis", "createClient", "the redis store"),
    link: undefined,
    known: [],
    failure: undefined,
    attempts: 0,
    retry: undefined,
    closed: false,
  };
  await connect(connection);
  const { failure } = connection;
  if (connection.link === undefined && (isSpendfuseError(failure) || REFUSED.test(String(failure)))) {
    destroy(connection);
    throw storeError(connection, failure);
  }
  return connection;
}

/** Connects, or tries again later. Never rejects. */
async function connect(connection: Connection): Promise<void> {
  try {
    const link = await openLink(connection);
    if (connection.closed) return destroyLink(link);
    connection.link = link;
    connection.failure = undefined;
    connection.attempts = 0;
    void clusterNodes(link.client).then((nodes) => {
      connection.known = nodes;
    });
    notify(connection, { type: "back" });
  } catch (error) {
    connection.failure = error;
    if (connection.closed) return;
    // At random, so that a fleet does not come back all at once.
    const delay = Math.min(50 * 2 ** connection.attempts, MAX_RECONNECT_MS) * (0.5 + Math.random() / 2);
    connection.attempts += 1;
    connection.retry = setTimeout(() => void connect(connection), delay).unref();
  }
}

async function openLink(connection: Connection): Promise<Link> {
  const { redis, address, known, prefix, channel, where } = connection;
  const { client, node } = await connectToOwner(redis, address, known, `${prefix}circuits`);
  const subscriber = createClientOf(redis, address, node);
  const link: Link = { node, client, subscriber };
  try {
    await within(checkVersion(client, prefix, where), COMMAND_MS);
    await within(subscriber.connect(), COMMAND_MS);
    await within(
      subscriber.subscribe(channel, (message) => hear(connection, message)),
      COMMAND_MS,
    );
  } catch (error) {
    destroyLink(link);
    throw error;
  }
  for (const one of [client, subscriber]) {
    for (const event of ["error", "end"]) one.on(event, (error) => lose(connection, link, error));
    // A pending command keeps the process alive by its timer; an idle connection must not.
    one.unref();
  }
  return link;
}

/** A message that cannot be read is skipped. */
function hear(connection: Connection, message: string): void {
  const { type, key, circuit } = object(parse(message)) ?? {};
  if (type === "recall" && typeof key === "string") notify(connection, { type, key });
  const known = type === "circuit" ? asCircuit(circuit) : undefined;
  if (known !== undefined) notify(connection, { type: "circuit", circuit: known });
}

/** Drops a connection that no longer serves, and finds the server that does. */
function lose(connection: Connection, link: Link, error: unknown): void {
  if (connection.link !== link || connection.closed) return;
  connection.link = undefined;
  connection.failure = error;
  destroyLink(link);
  notify(connection, { type: "away" });
  void connect(connection);
}

export function notify({ listeners }: Connection, change: Change): void {
  for (const listener of listeners) listener(change);
}

/** Sends one command. @throws SpendfuseError `SPENDFUSE_STORE`, after three seconds at the latest. */
export async function send(connection: Connection, ...words: readonly string[]): Promise<unknown> {
  const { link } = connection;
  if (link === undefined) throw storeError(connection, connection.failure ?? new Error("it is not connected"));
  let answered = false;
  const answer = link.client.sendCommand(words).finally(() => {
    answered = true;
  });
  try {
    return await within(answer, COMMAND_MS);
  } catch (error) {
    answer.catch(noop);
    const isDemoted = DEMOTED.test(error instanceof Error ? error.message : "");
    const owner = ownerIn(error, link.node);
    if (owner !== undefined) connection.known = [owner, ...connection.known];
    if (isDemoted || !answered) lose(connection, link, error);
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

export function destroy(connection: Connection): void {
  connection.closed = true;
  clearTimeout(connection.retry);
  if (connection.link !== undefined) destroyLink(connection.link);
  connection.link = undefined;
}

function destroyLink({ client, subscriber }: Link): void {
  destroyQuietly(client);
  destroyQuietly(subscriber);
}

function storeError({ where }: Connection, cause: unknown): SpendfuseError {
  if (isSpendfuseError(cause)) return cause;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  const message = `the store at ${where} cannot be used: ${reason}${fixOf(reason)}`;
  return new SpendfuseError("SPENDFUSE_STORE", message, { where }, cause);
}

function noop(): void {}
