import { SpendfuseError } from "../../core/errors.ts";

export interface Node {
  readonly host: string;
  readonly port: number;
}

/** The parts of a Redis address. */
export interface Address {
  /** Servers to begin with: one, some of a cluster, or Sentinels. */
  readonly nodes: readonly Node[];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  /** The name of the set whose primary the Sentinels tell; undefined where `nodes` are the servers themselves. */
  readonly sentinelName: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly prefix: string;
}

const FORM = /^(?:redis|valkey)(s?)(\+sentinel)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;
const PORT = 6379;
const SENTINEL_PORT = 26_379;
const DEFAULT_PREFIX = "spendfuse";

/**
 * Reads `redis://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/DATABASE]` or
 * `redis+sentinel://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]/NAME`, each also with `rediss` or `valkey`.
 * @throws SpendfuseError `SPENDFUSE_STORE` for any other text
 */
export function readAddress(address: string): Address {
  const [, tls, sentinel, user = "", hosts = "", path = "", query = ""] = FORM.exec(address) ?? [];
  const nodes = hosts.split(",").map((host) => readNode(host, sentinel === undefined ? PORT : SENTINEL_PORT));
  const set = decode(path);
  const database = sentinel === undefined && set !== "" ? Number(set) : 0;
  if (nodes.includes(undefined) || !Number.isSafeInteger(database) || database < 0)
    throw malformed("redis://USER:PASSWORD@HOST:PORT/DATABASE");
  if (sentinel !== undefined && set === "") throw malformed("redis+sentinel://HOST:PORT,HOST:PORT/NAME");
  const values = new URLSearchParams(query);
  const [username, password] = readUser(user);
  return {
    nodes: nodes as readonly Node[],
    tls: tls === "s",
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    sentinelName: sentinel === undefined ? undefined : set,
    sentinelPassword: values.get("sentinelPassword") ?? undefined,
    prefix: values.get("prefix") ?? DEFAULT_PREFIX,
  };
}

function readNode(text: string, defaultPort: number): Node | undefined {
  const [, host, port] = NODE.exec(text) ?? [];
  if (host === undefined) return undefined;
  return { host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? defaultPort : Number(port) };
}

/** `USER:PASSWORD`, `:PASSWORD` or `USER`. */
function readUser(text: string): readonly [string | undefined, string | undefined] {
  const colon = text.indexOf(":");
  const user = decode(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? "" : decode(text.slice(colon + 1));
  return [user || undefined, password || undefined];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function malformed(form: string): SpendfuseError {
  return new SpendfuseError("SPENDFUSE_STORE", `the address of the Redis store cannot be read; write ${form}`);
}
