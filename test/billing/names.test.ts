import { describe, expect, test } from "vitest";
import { readNames } from "../../src/billing/names.ts";

describe("which key of a vendor is which key of the meter", () => {
  const known = [
    { kind: "project", id: "proj_1", name: "Help Desk" },
    { kind: "key", id: "key_1", name: "Prod Key" },
    { kind: "key", id: "key_2", name: "ci" },
    { kind: "key", id: "abcdef0123", name: "router", meteredKey: "abcdef01" },
  ] as const;
  const links = (metered: readonly string[], aliases: Record<string, string> = {}) =>
    Object.fromEntries(readNames(known, new Set(metered), aliases).links);

  test.each<[string, readonly string[], Record<string, string>, Record<string, string>]>([
    ["of the same name, as a tag", ["prod_key"], {}, { key_1: "prod_key" }],
    ["of the same id", ["key_2"], {}, { key_2: "key_2" }],
    ["by the hash that the vendor has of it", ["abcdef01"], {}, { abcdef0123: "abcdef01" }],
    ["as the user says, by id", [], { key_1: "Main" }, { key_1: "main" }],
    ["as the user says, by name", [], { ci: "builds" }, { key_2: "builds", ci: "builds" }],
    ["the user against the name", ["ci"], { key_2: "builds" }, { key_2: "builds" }],
    ["of no name", ["9f86d081"], {}, {}],
  ])("%s", (_name, metered, aliases, expected) => {
    expect(links(metered, aliases)).toMatchObject(expected);
    if (Object.keys(expected).length === 0) expect(links(metered, aliases)).toEqual({});
  });

  test("ids are shown by their names, as tags; one without a name is itself", () => {
    const names = readNames(known, new Set(), {});
    expect([names.project("proj_1"), names.project("proj_9"), names.project("")]).toEqual(["help_desk", "proj_9", ""]);
    expect(names.key("key_1")).toBe("prod_key");
  });
});
