import { isIP } from "node:net";
import { within } from "../store.ts";
import type { Address, Node } from "./address.ts";

/** What is used of a client of the `redis` package, version 5 or later. */
export interface Client {
  readonly isReady: boolean;
  on(event: string, listener: (error?: Error) => void): void;
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  sendCommand(words: readonly string[]): Promise<unknown>;
  unref(): void;
  destroy(): void;
}

export interface RedisPackage {
  createClient(options: object): Client;
}

/** How long one server may take to accept a connection, and to answer the first command. */
const CONNECT_MS = 4_000;
const MAX_HOPS = 5;
const MOVED = /^(?:MOVED|ASK) \d+ (.+):(\d+)$/;

/** A client of a server that is not connected yet. It does not reconnect: the next one may be another server. */
export function createClientOf({ createClient }: RedisPackage, address: Address, node: Node): Client {
  const { tls, username, password, database, nodes } = address;
  const name = nodes[0]?.host;
  // A cluster tells addresses of its nodes, and certificates are made out to names.
  const servername = isIP(node.host) !== 0 && name !== undefined && isIP(name) === 0 ? { servername: name } : {};
  const client = createClient({
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(database > 0 && { database }),
    disableOfflineQueue: true,
    socket: { ...node, connectTimeout: CONNECT_MS, reconnectStrategy: false, ...(tls && { tls, ...servername }) },
  });
  // Without a listener an error would end the process.
  client.on("error", noop);
  return client;
}

/**
 * Connects to the server that keeps `key`: the one of the address, the node of a cluster that owns the key's slot, or the
 * primary that a Sentinel tells. `known`: servers to ask beside those of the address.
 * @throws the last server's error
 */
export async function connectToOwner(
  redis: RedisPackage,
  address: Address,
  known: readonly Node[],
  key: string,
): Promise<{ readonly client: Client; readonly node: Node }> {
  let failure: unknown = new Error("no server is known");
  for (const node of [...known, ...address.nodes]) {
    try {
      const first = address.sentinelName === undefined ? node : await askSentinel(redis, address, node);
      return await follow(redis, address, first, key);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Connects to a node, or to the one that it names as the owner of the key. */
async function follow(
  redis: RedisPackage,
  address: Address,
  first: Node,
  key: string,
): Promise<{ readonly client: Client; readonly node: Node }> {
  let node = first;
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const client = createClientOf(redis, address, node);
    try {
      await within(client.connect(), CONNECT_MS);
      await within(client.sendCommand(["EXISTS", key]), CONNECT_MS);
      return { client, node };
    } catch (error) {
      destroyQuietly(client);
      const other = ownerIn(error, node);
      if (other === undefined) throw error;
      node = other;
    }
  }
  throw new Error("the cluster's nodes do not agree on who owns the slot");
}

/** The node that an error of a cluster names as the owner of a slot. Without a host it is that of the server itself. */
export function ownerIn(error: unknown, from: Node): Node | undefined {
  const [, host, port] = MOVED.exec(error instanceof Error ? error.message : "") ?? [];
  return port === undefined ? undefined : { host: host || from.host, port: Number(port) };
}

async function askSentinel(redis: RedisPackage, address: Address, node: Node): Promise<Node> {
  const { sentinelName = "", sentinelPassword, username: _, password: __, ...rest } = address;
  const login = sentinelPassword === undefined ? {} : { password: sentinelPassword };
  const own = { ...rest, ...login, sentinelName, sentinelPassword, database: 0 };
  const client = createClientOf(redis, own, node);
  try {
    await within(client.connect(), CONNECT_MS);
    const words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinelName];
    const answer = (await within(client.sendCommand(words), CONNECT_MS)) as readonly [string, string] | null;
    if (answer === null) throw new Error(`the Sentinel ${node.host}:${node.port} does not know "${sentinelName}"`);
    return { host: answer[0], port: Number(answer[1]) };
  } finally {
    destroyQuietly(client);
  }
}

/** The other nodes of the client's cluster; none where it is not in one, or must not tell. */
export async function clusterNodes(client: Client): Promise<readonly Node[]> {
  try {
    const slots = (await client.sendCommand(["CLUSTER", "SLOTS"])) as readonly (readonly unknown[])[];
    const nodes = slots.flatMap(([, , ...some]) => some as readonly (readonly [string, number])[]);
    return nodes.flatMap(([host, port]) => (host ? { host: String(host), port: Number(port) } : []));
  } catch {
    return [];
  }
}

/** Ends a client, also one that never connected. */
export function destroyQuietly(client: Client): void {
  try {
    client.destroy();
  } catch {
    // It was closed already.
  }
}

function noop(): void {}
