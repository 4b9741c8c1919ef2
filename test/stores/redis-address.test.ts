import { describe, expect, test } from "vitest";
import { type Address, readAddress } from "../../src/stores/redis/address.ts";

const ONE = { nodes: [{ host: "h", port: 6379 }], tls: false, database: 0, prefix: "spendfuse" };

describe("an address of Redis", () => {
  test.each<[string, Partial<Address>]>([
    ["redis://h", {}],
    ["valkey://h", {}],
    ["redis://h:1", { nodes: [{ host: "h", port: 1 }] }],
    ["rediss://h", { tls: true }],
    ["valkeys://h", { tls: true }],
    ["redis://h/3", { database: 3 }],
    ["redis://h?prefix=a", { prefix: "a" }],
    ["redis://:p%40ss@h", { password: "p@ss" }],
    ["redis://meter:a:b%2Fc@h:6379/1?prefix=x", { username: "meter", password: "a:b/c", database: 1, prefix: "x" }],
    ["redis://[::1]:7000", { nodes: [{ host: "::1", port: 7000 }] }],
    [
      "redis://a:1,b:2,c",
      {
        nodes: [
          { host: "a", port: 1 },
          { host: "b", port: 2 },
          { host: "c", port: 6379 },
        ],
      },
    ],
    [
      "rediss+sentinel://u:p@a,b:2/main?sentinelPassword=s",
      {
        nodes: [
          { host: "a", port: 26379 },
          { host: "b", port: 2 },
        ],
        tls: true,
        username: "u",
        password: "p",
        sentinelName: "main",
        sentinelPassword: "s",
      },
    ],
  ])("%s", (text, expected) => {
    expect(readAddress(text)).toEqual({ ...ONE, sentinelName: undefined, sentinelPassword: undefined, ...expected });
  });

  test.each(["redis://", "redis://h/x", "redis://h:port", "redis+sentinel://h:1", "http://h", "redis://a,,b"])(
    "%s cannot be read, and its password is not repeated",
    (text) => {
      expect(() => readAddress(text)).toThrow(expect.objectContaining({ code: "SPENDFUSE_STORE" }));
      expect(() => readAddress(text.replace("://", "://u:secret@"))).not.toThrow(/secret/);
    },
  );
});
