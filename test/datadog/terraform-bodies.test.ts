import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAssets } from "../../src/datadog/assets.ts";
import { type Body, wantedOf } from "../../src/datadog/deploy/wanted.ts";
import { PACKAGE_ROOT } from "../../src/package/root.ts";
import { startAccountServer } from "./account-server.ts";

// The expressions need no provider, and so no registry; the resources are left out.
const program = ["terraform", "tofu"].find((name) => spawnSync(name, ["version"]).status === 0);
const NOTIFY = ["@oncall-payments", "@slack-spend"];
const MODULE = join(PACKAGE_ROOT, "examples", "terraform");
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-terraform-"));
  for (const name of ["bodies.tf", "variables.tf"]) copyFileSync(join(MODULE, name), join(dir, name));
  writeFileSync(join(dir, "out.tf"), 'output "monitors" {\n  value = local.monitors\n}\n');
  // As the module's resources write them.
  const main = readFileSync(join(MODULE, "main.tf"), "utf8");
  const outputs = ["monitor", "dashboard"].map((kind) => {
    const [, expression = ""] = new RegExp(`^  ${kind} += (.*)$`, "m").exec(main) ?? [];
    const one = expression.replaceAll("each.", "each_");
    return `output "${kind}_json" {\n  value = { for each_key, each_value in local.${kind}s : each_key => ${one} }\n}\n`;
  });
  writeFileSync(join(dir, "resources.tf"), outputs.join(""));
  if (program) execFileSync(program, ["init", "-input=false"], { cwd: dir });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function evaluate(critical: Record<string, number>): Record<string, Body> {
  apply(critical);
  return output("monitors");
}

function apply(critical: Record<string, number>): void {
  const variables = { package: PACKAGE_ROOT, notify: NOTIFY, webhook_url: "https://b", webhook_secret: "s", critical };
  writeFileSync(join(dir, "terraform.tfvars.json"), JSON.stringify(variables));
  execFileSync(program as string, ["apply", "-auto-approve", "-input=false"], { cwd: dir });
}

function output<T>(name: string): Record<string, T> {
  return JSON.parse(execFileSync(program as string, ["output", "-json", name], { cwd: dir, encoding: "utf8" }));
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

/** What the provider leaves out of both sides: `monitorComputedFields`, `computedFields` and `prepResource` of its source. */
const COMPUTED: Readonly<Record<string, readonly string[]>> = {
  monitor: [
    ...["id", "created", "created_at", "creator", "deleted", "modified", "modified_at", "multi", "org_id", "url"],
    ...["overall_state", "overall_state_modified", "draft_status", "restricted", "assets"],
    ...["restricted_roles", "restriction_policy"],
  ],
  dashboard: ["id", "author_handle", "author_name", "created_at", "modified_at", "url"],
};

const KEYS = { "content-type": "application/json", "dd-api-key": "a".repeat(32), "dd-application-key": "b".repeat(40) };

/** A resource as the provider keeps it in its state. */
function stateOf(kind: string, body: Body): Body {
  const state = Object.fromEntries(Object.entries(body).filter(([key]) => !COMPUTED[kind]?.includes(key)));
  if (kind === "dashboard") return { ...state, widgets: withoutIds(state.widgets as readonly Widget[]) };
  const { silenced: _, ...options } = state.options as Body;
  return { ...state, options };
}

interface Widget {
  readonly id?: number;
  readonly definition: { readonly type: string; readonly widgets?: readonly Widget[] };
}

const withoutIds = (widgets: readonly Widget[]): readonly object[] =>
  widgets.map(({ id: _, definition, ...widget }) => ({
    ...widget,
    definition: definition.widgets ? { ...definition, widgets: withoutIds(definition.widgets) } : definition,
  }));

describe.runIf(program)("the second plan is empty: what the provider compares is what it has sent", () => {
  const server = startAccountServer();
  afterAll(async () => (await server).close());
  test.each(["monitor", "dashboard"])("every %s", async (kind) => {
    apply({ agent_hourly_spend: 40 });
    const { url } = await server;
    const bodies = Object.entries(output<string>(`${kind}_json`));
    expect(bodies.length).toBeGreaterThan(3);
    for (const [name, body] of bodies) {
      const path = `${url}/api/v1/${kind}`;
      const created = await fetch(path, { method: "POST", headers: KEYS, body });
      expect(created.status, `${name}: ${await created.clone().text()}`).toBe(200);
      const { id } = (await created.json()) as { id: number | string };
      const answer = (await (
        await fetch(`${path}/${id}?with_restricted_roles=false`, { headers: KEYS })
      ).json()) as Body;
      expect(stateOf(kind, answer), name).toEqual(stateOf(kind, JSON.parse(body) as Body));
    }
  });
});

test.runIf(program)("every dashboard is what deploy sends, but for what Datadog would add", () => {
  apply({});
  const choices = { settings: new Map<string, number>(), notify: NOTIFY, webhook: true, prefix: "", filters: [] };
  const wanted = wantedOf(readAssets(), choices).filter(({ kind }) => kind === "dashboard");
  const sent = Object.entries(output<string>("dashboard_json")).map(([key, text]) => [key, JSON.parse(text)]);
  expect(Object.fromEntries(sent)).toEqual(
    Object.fromEntries(wanted.map(({ key, body }) => [key, { notify_list: [], restricted_roles: [], ...body }])),
  );
});

test.runIf(program)("a limit is in query, thresholds and message, the warning's too, with cents", () => {
  const { agent_hourly_spend: body } = evaluate({ agent_hourly_spend: 50 });
  expect(body?.query).toMatch(/> 50$/);
  expect(body?.options).toMatchObject({ thresholds: { critical: 50, warning: 37.5 } });
  expect(body?.message).toContain("$37.50");
  expect(body?.message).toContain("$50");
  expect(body?.message).not.toMatch(/\$(?:20|15)\b/);
});
