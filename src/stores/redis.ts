import type { StoreKind } from "./store.ts";

/**
 * Redis or Valkey, for a fleet: one server, a cluster (some of its nodes, with commas), or a set with Sentinels
 * (`redis+sentinel://HOST:PORT,HOST:PORT/NAME`). `rediss:` and `valkeys:` are encrypted, `USER:PASSWORD@` logs in,
 * `?prefix=NAME` keeps two fleets apart.
 */
export const redis: StoreKind = {
  name: "redis",
  form: "redis://HOST:PORT",
  pattern: /^(?:rediss?|valkeys?)(?:\+sentinel)?:\/\/./,
  example: "redis://127.0.0.1:6379",
  reach: "fleet",
  client: { package: "redis", since: "5" },
  open: async (address) => (await import("./redis/store.ts")).openRedis(address),
};
