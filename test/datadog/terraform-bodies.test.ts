import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAssets } from "../../src/datadog/assets.ts";
import { type Body, wantedOf } from "../../src/datadog/deploy/wanted.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import { hasExchanges, readExchanges } from "../sandbox/exchanges.ts";
import { applyHabits, habitsOf } from "./trimming-account.ts";

// The expressions need no provider, and so no registry; the resources are left out.
const program = ["terraform", "tofu"].find((name) => spawnSync(name, ["version"]).status === 0);
const NOTIFY = ["@oncall-payments", "@slack-spend"];
const MODULE = join(PACKAGE_ROOT, "examples", "terraform");
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-terraform-"));
  for (const name of ["bodies.tf", "variables.tf"]) copyFileSync(join(MODULE, name), join(dir, name));
  writeFileSync(join(dir, "out.tf"), 'output "monitors" {\n  value = local.monitors\n}\n');
  // As the module's resource reads them.
  const [, read = ""] = /dashboard = (file\(.*\))/.exec(readFileSync(join(MODULE, "main.tf"), "utf8")) ?? [];
  const dashboards = `{ for key, file in local.dashboards : key => ${read.replace("each.value", "file")} }`;
  writeFileSync(join(dir, "dashboards.tf"), `output "dashboards" {\n  value = ${dashboards}\n}\n`);
  if (program) execFileSync(program, ["init", "-input=false"], { cwd: dir });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function evaluate(critical: Record<string, number>): Record<string, Body> {
  const variables = { package: PACKAGE_ROOT, notify: NOTIFY, webhook_url: "https://b", webhook_secret: "s", critical };
  writeFileSync(join(dir, "terraform.tfvars.json"), JSON.stringify(variables));
  execFileSync(program as string, ["apply", "-auto-approve", "-input=false"], { cwd: dir });
  return JSON.parse(execFileSync(program as string, ["output", "-json", "monitors"], { cwd: dir, encoding: "utf8" }));
}

test.runIf(program).each<[string, Record<string, number>]>([
  ["as shipped", {}],
  ["with other limits", { agent_hourly_spend: 40, team_monthly_budget: 1_000, agent_fast_burn: 15 }],
])("every monitor %s is what deploy sends, after Datadog's trimming", (_, critical) => {
  const assets = readAssets();
  const choices = {
    settings: new Map(Object.entries(critical)),
    notify: NOTIFY,
    webhook: true,
    prefix: "",
    filters: [],
  };
  const wanted = wantedOf(assets, choices).filter(({ kind }) => kind === "monitor");
  const expected = wanted.map(({ key, body }) => [key, { ...body, message: String(body.message).trim() }]);
  expect(wanted.length).toBeGreaterThan(10);
  expect(evaluate(critical)).toEqual(Object.fromEntries(expected));
});

test.runIf(program && hasExchanges)(
  "an account that trims, drops and adds as recorded keeps every monitor as sent",
  () => {
    const habits = habitsOf(readExchanges());
    expect(habits.trimmed).toContain("message");
    for (const [name, body] of Object.entries(evaluate({})))
      expect(applyHabits(body, habits), `${name}: the second plan would change it`).toMatchObject(body);
  },
);

test.runIf(program)(
  "every dashboard is what deploy sends, byte for byte but for the white space between its parts",
  () => {
    evaluate({});
    const out = execFileSync(program as string, ["output", "-json", "dashboards"], { cwd: dir, encoding: "utf8" });
    const choices = { settings: new Map<string, number>(), notify: NOTIFY, webhook: true, prefix: "", filters: [] };
    const wanted = wantedOf(readAssets(), choices).filter(({ kind }) => kind === "dashboard");
    expect(wanted.length).toBeGreaterThan(3);
    const sent = Object.entries(JSON.parse(out) as Record<string, string>).map(([key, text]) => [key, compact(text)]);
    expect(Object.fromEntries(sent)).toEqual(
      Object.fromEntries(wanted.map(({ key, body }) => [key, JSON.stringify(body)])),
    );
  },
);

const compact = (json: string): string => JSON.stringify(JSON.parse(json));

test.runIf(program)("a limit is in query, thresholds and message, the warning's too, with cents", () => {
  const { agent_hourly_spend: body } = evaluate({ agent_hourly_spend: 50 });
  expect(body?.query).toMatch(/> 50$/);
  expect(body?.options).toMatchObject({ thresholds: { critical: 50, warning: 37.5 } });
  expect(body?.message).toContain("$37.50");
  expect(body?.message).toContain("$50");
  expect(body?.message).not.toMatch(/\$(?:20|15)\b/);
});
