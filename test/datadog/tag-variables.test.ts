import { describe, expect, test } from "vitest";
import { readAssets } from "../../src/datadog/assets.ts";
import { withTagVariables } from "../../src/datadog/deploy/wanted.ts";
import { lintAssets } from "../../src/datadog/lint.ts";

const dashboards = readAssets().filter(({ kind }) => kind === "dashboard");
const textOf = (json: unknown): string => JSON.stringify(json);

describe("template variables of declared tags", () => {
  const changed = withTagVariables(dashboards, ["customer", "feature"]);

  test("are on the dashboards about spend, and filter every query that follows their other variables", () => {
    const spend = changed.find(({ name }) => name === "agent_spend");
    const variables = spend?.json.template_variables as readonly { readonly name: string; readonly prefix: string }[];
    expect(variables.map(({ name, prefix }) => [name, prefix]).slice(-2)).toEqual([
      ["customer", "customer"],
      ["feature", "feature"],
    ]);
    const queries = [...textOf(spend?.json).matchAll(/sum:spendfuse\.(?:cost|calls|tokens)\{([^}]*)\}/g)];
    expect(queries.length).toBeGreaterThan(10);
    for (const [query, filter] of queries) {
      expect([query, filter?.includes("$customer"), filter?.includes("$feature")]).toEqual([query, true, true]);
    }
    expect(textOf(changed)).not.toMatch(/spendfuse\.billed[\w.]*\{[^}]*\$customer/);
  });

  test("are declared and used as Datadog needs it", () => {
    // Names of the user's own are in no list of ours.
    const faults = lintAssets(changed).filter(({ lint }) => lint !== "emitted-names");
    expect(faults.map(({ message }) => message)).toEqual(lintAssets(dashboards).map(({ message }) => message));
  });

  test("leave the dashboards as they are without tags", () => {
    expect(withTagVariables(dashboards, [])).toBe(dashboards);
  });
});
