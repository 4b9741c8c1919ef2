import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  DEFAULT_STORE,
  eitherOf,
  exampleStore,
  isSharedStore,
  STORE_FORMS,
  STORE_KINDS,
  STORE_PATTERN,
  shownStore,
  storeKindOf,
} from "../../src/stores/addresses.ts";

const root = new URL("../../", import.meta.url);
const kinds = STORE_KINDS.map((kind) => [kind.name, kind] as const);

describe.each(kinds)("the addresses of %s", (_name, kind) => {
  test("its example is of this kind and of no other", () => {
    expect(STORE_KINDS.filter(({ pattern }) => pattern.test(kind.example))).toEqual([kind]);
    expect(storeKindOf(kind.example)).toBe(kind);
  });

  test("its pattern stands for the beginning of an address and has no flags, so that a JSON schema can have it", () => {
    expect(kind.pattern.flags).toBe("");
    expect(kind.pattern.source).toMatch(/^\^/);
    expect(kind.pattern.test(`x${kind.example}`)).toBe(false);
    expect(new RegExp(STORE_PATTERN).test(kind.example)).toBe(true);
  });

  test.each(["README.md", "docs/stopping.md", "config.schema.json"])("%s tells of it", (file) => {
    const text = readFileSync(new URL(file, root), "utf8");
    expect(text.includes(kind.form) || text.includes(kind.example), `${file} does not name ${kind.form}`).toBe(true);
  });
});

test.each([
  ["memory", "memory"],
  ["file:state/spend.db", "file"],
  ["redis://h:1", "redis"],
  ["rediss://u:p@h/1?prefix=a", "redis"],
  ["valkeys://h", "redis"],
  ["memory ", undefined],
  ["file:", undefined],
  ["redis:", undefined],
  ["xredis://h", undefined],
  ["postgres://h", undefined],
])("%s is of the kind %s", (address, name) => {
  expect(storeKindOf(address)?.name).toBe(name);
  expect(new RegExp(STORE_PATTERN).test(address)).toBe(name !== undefined);
});

test("they are named in the order of their reach", () => {
  expect(STORE_FORMS).toEqual(["memory", "file:PATH", "redis://HOST:PORT"]);
  expect(eitherOf(STORE_FORMS)).toBe("memory, file:PATH or redis://HOST:PORT");
  expect([exampleStore("process"), exampleStore("host"), exampleStore("fleet")]).toEqual(
    STORE_KINDS.map(({ example }) => example),
  );
});

test("only what a process has for itself is not shared", () => {
  expect(STORE_KINDS.filter(({ example }) => !isSharedStore(example)).map(({ name }) => name)).toEqual([DEFAULT_STORE]);
  expect(isSharedStore("postgres://h")).toBe(false);
});

test.each([
  ["redis://user:secret@h:6379/1?prefix=a", "redis://h:6379/1"],
  ["redis://h:6379", "redis://h:6379"],
  ["postgres://h/db?password=secret", "postgres://h/db"],
  ["redis://u:sec ret@h:bad", "redis://h:bad"],
  ["redis://u:secret@a:1,b:2?prefix=a", "redis://a:1,b:2"],
  ["redis+sentinel://u:secret@a:1,b:2/main?sentinelPassword=secret", "redis+sentinel://a:1,b:2/main"],
  ["redis://u:sec/ret@h:bad", "redis://h:bad"],
  ["file:/var/lib/app/spendfuse.db", "file:/var/lib/app/spendfuse.db"],
  ["memory", "memory"],
])("%s is shown as %s", (address, shown) => {
  expect(shownStore(address)).toBe(shown);
});
