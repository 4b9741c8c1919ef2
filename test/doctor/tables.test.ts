import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isNamed, isOf } from "../../src/doctor/facts/packages.ts";
import { BLIND_PACKAGES, BLIND_WAYS, MISSING_TRANSPORTS } from "../../src/doctor/tables/blind.ts";
import { INSTRUMENTATIONS } from "../../src/doctor/tables/instrumentations.ts";
import { SDKS } from "../../src/doctor/tables/sdks.ts";
import { VENDOR_KEYS } from "../../src/doctor/tables/vendor-keys.ts";
import * as frameworks from "../../src/meter/identity/frameworks/registry.ts";
import { UNREAD_APIS } from "../../src/meter/transports/bypass/rules.ts";
import { createHostLookup } from "../../src/meter/wire/hosts.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Versions that our tests run with: of our own tree, and of the apps that have one of their own. */
function testedVersions(): ReadonlyMap<string, ReadonlySet<string>> {
  const versions = new Map<string, Set<string>>();
  const apps = readdirSync(join(ROOT, "test/apps")).map((app) => `test/apps/${app}`);
  for (const folder of [".", ...apps]) {
    let manifest: Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
    try {
      manifest = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
    } catch {
      continue;
    }
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
      versions.set(name, (versions.get(name) ?? new Set()).add(version));
  }
  return versions;
}

/** What the tables say of the rest of the package has to stay true when that changes. */
describe("the doctor's tables", () => {
  test("an SDK's tested series are those that our tests run with", () => {
    for (const [name, versions] of testedVersions()) {
      const row = SDKS.find((sdk) => isNamed(name, sdk.package));
      if (row === undefined || INSTRUMENTATIONS.some((other) => isNamed(name, other.package))) continue;
      for (const version of versions)
        expect(
          row.tested.some((series) => isOf(version, series)),
          `${name} ${version} in tables/sdks.ts`,
        ).toBe(true);
      for (const series of row.tested)
        expect(
          [...versions].some((version) => isOf(version, series)),
          `${name} ${series} is tested`,
        ).toBe(true);
    }
    for (const { package: name, tested } of SDKS)
      expect(tested.length === 0 || testedVersions().has(name), `${name} is tested`).toBe(true);
  });

  test("every reader of names stands beside a package; request reads our own headers", () => {
    const readers = [...SDKS, ...INSTRUMENTATIONS].flatMap(({ reader }) => reader ?? []);
    const known = Object.values(frameworks).map(({ name }) => name);
    expect([...new Set(readers), "request"].sort()).toEqual(known.sort());
  });

  test("what is blind waits for a transport that is not there, or for a format of an API that is not read", () => {
    const transports = readdirSync(join(ROOT, "src/meter/transports")).map((name) => name.replace(/\.ts$/, ""));
    expect(transports).toContain("bypass");
    for (const name of Object.keys(MISSING_TRANSPORTS)) expect(transports).not.toContain(name);
    for (const row of [...BLIND_PACKAGES, ...BLIND_WAYS])
      if ("api" in row) expect(UNREAD_APIS.map(({ api }) => api)).toContain(row.api);
  });

  test("a vendor's own address is a host that the meter knows", () => {
    const lookup = createHostLookup();
    for (const { url } of VENDOR_KEYS) expect(lookup(new URL(url).host), url).toBeDefined();
  });
});
