import { laterVersion } from "../file/schema-version.ts";
import type { Client } from "./locate.ts";

/** Of the keys and their values. A prefix from before there was one has no version, and the keys of 1. */
export const SCHEMA_VERSION = 1;

/**
 * Reads the version that is kept under a prefix, and writes ours where there is none; a server that takes no writes now is
 * told by the next process.
 * @throws SpendfuseError `SPENDFUSE_STORE` for a later version.
 */
export async function checkVersion(client: Client, prefix: string, where: string): Promise<void> {
  const key = `${prefix}schema`;
  const kept = await client.sendCommand(["HGET", key, "version"]);
  const version = Number(kept ?? 0);
  if (version > SCHEMA_VERSION) {
    const subject = `the store at ${where}, prefix ${prefix.slice(1, -2)},`;
    throw laterVersion(subject, "prefix, as in ?prefix=NAME", { where, version, known: SCHEMA_VERSION });
  }
  if (kept === null) await client.sendCommand(["HSET", key, "version", String(SCHEMA_VERSION)]).catch(noop);
}

function noop(): void {}
