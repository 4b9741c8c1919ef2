import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { startSpender, vendorOf } from "../guard/fleet.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-tls-"));
const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
const made = spawnSync("openssl", [
  ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert],
  ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
]);
/** On a machine that must have it the tests fail instead. */
const NO_OPENSSL =
  made.status === 0 || process.env.CI === "true"
    ? undefined
    : "skipped: openssl is not installed (apt-get install openssl)";
const missing = NO_REDIS ?? NO_OPENSSL;
if (missing !== undefined) console.log(missing);

/** The commands that a user needs, as the documentation lists them. */
const RIGHTS = (
  "~{fleet}:* &{fleet}:* +@connection +@pubsub +eval +evalsha +exists +time +hget +hset +hdel +hgetall +del +pexpire " +
  "+pexpireat +lpush +ltrim +lrange +scan"
).split(" ");
const CAP = 4;

let server: ModelServer;
let redis: RedisServer;

beforeAll(async () => {
  server = await startModelServer();
  server.play(vendorOf());
  if (missing !== undefined) return;
  const tls = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"];
  redis = await startRedis(...tls, "--user", "default", "off", "--user", "app", "on", ">p%ss", ...RIGHTS);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await server.close();
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function spend(address: string): Promise<number> {
  const spender = startSpender(address, server, [{ scope: { agent: "*" }, per: "month", calls: CAP }]);
  const { sent } = await spender.spend(10, 2, 2);
  await spender.stop();
  return sent;
}

describe.skipIf(missing !== undefined)("Redis by TLS alone, for a user limited to the prefix", () => {
  test("keeps budgets over processes", async () => {
    vi.stubEnv("NODE_EXTRA_CA_CERTS", cert);
    const address = `rediss://app:p%25ss@127.0.0.1:${redis.port}?prefix=fleet`;
    expect(await spend(address)).toBe(CAP);
    expect(await spend(address)).toBe(0);
  });

  test("lets no call pass where the certificate is not trusted", async () => {
    expect(await spend(`rediss://app:p%25ss@127.0.0.1:${redis.port}?prefix=fleet`)).toBe(0);
  });
});
