import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PAYLOAD, SECRET_VARIABLE, WEBHOOK_NAME } from "../../src/breaker/template.ts";
import { METRICS } from "../../src/core/names.ts";
import { ON_CALL } from "../../src/datadog/deploy/wanted.ts";
import { PARAMETERS } from "../../src/datadog/parameters.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";

const read = (name: string): string => readFileSync(join(PACKAGE_ROOT, "examples", "terraform", name), "utf8");

describe("the Terraform example", () => {
  const main = read("bodies.tf") + read("main.tf");

  test("sends the breaker's payload, with its secret, under the name that monitors tell", () => {
    const block = /payload = jsonencode\(\{([^}]*)\}\)/.exec(main)?.[1] ?? "";
    const rows = [...block.matchAll(/^\s*(\w+)\s*=\s*"?([^"\n]+)"?$/gm)].map(([, key, value]) => [key, value]);
    expect(Object.fromEntries(rows)).toEqual({ ...JSON.parse(PAYLOAD), v: "1" });
    expect(main).toContain(`name      = "${WEBHOOK_NAME}"`);
    expect(main).toContain(`name      = "${SECRET_VARIABLE}"`);
    expect(main).toContain(`{ "x-spendfuse-secret" = "$${SECRET_VARIABLE}" }`);
  });

  test("replaces the handle that our monitors have, and reads the folders that we ship", () => {
    expect(main).toContain(`"${ON_CALL}"`);
    const { files } = JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")) as { files: string[] };
    for (const [, folder] of main.matchAll(/\$\{var\.package\}\/(\w+)/g)) expect(files).toContain(folder);
  });

  test("every variable is declared, used, and every metric ours", () => {
    const declared = [...read("variables.tf").matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name);
    const used = new Set([...main.matchAll(/\bvar\.(\w+)/g)].map(([, name]) => name));
    expect([...used].sort()).toEqual(declared.sort());
    const dollars = PARAMETERS.filter(({ unit }) => unit === "usd").map(({ monitor }) => monitor);
    const [, listed = ""] = /setsubtract\(keys\(var\.critical\), \[([^\]]*)\]/.exec(read("variables.tf")) ?? [];
    expect([...listed.matchAll(/"(\w+)"/g)].map(([, name]) => name)).toEqual(dollars.sort());
    for (const [name] of (main + read("variables.tf")).matchAll(/spendfuse\.cost\b/g))
      expect(name).toBe(METRICS.cost.name);
  });
});
