import type { ConfigFile, HostConfig } from "../core/config-types.ts";
import { nearest } from "../core/nearest.ts";
import { type Budget, readBudget } from "../limits/budget.ts";
import { createHostLookup, HOSTS } from "../meter/wire/hosts.ts";
import type { Problem } from "./validator.ts";

/** What a schema cannot express: rows that depend on one another, and names that must be known. */
export function checkRows({ budgets = [], hosts = [], tags = [] }: ConfigFile, problems: Problem[]): void {
  checkTwins(budgets.map(readBudget), problems);
  checkKnown(hosts, problems);
  checkRepeated(tags, problems);
}

function checkRepeated(tags: readonly string[], problems: Problem[]): void {
  for (const [index, name] of tags.entries()) {
    if (tags.indexOf(name) === index) continue;
    const key = `tags[${index}]`;
    const fix = `"tags": ${JSON.stringify([...new Set(tags)])}`;
    problems.push({ key, says: `${key} is declared already, "${name}"; write ${fix}`, fix, ignorable: false });
  }
}

/** Two budgets with one id would share a count. */
function checkTwins(rows: readonly (readonly Budget[])[], problems: Problem[]): void {
  const first = new Map<string, number>();
  for (const [index, row] of rows.entries()) {
    const twin = row.find(({ id }) => first.has(id));
    for (const { id } of row) if (!first.has(id)) first.set(id, index);
    if (twin === undefined) continue;
    const key = `budgets[${index}]`;
    const fix = `"name": "${twin.name} 2"`;
    const says = `${key} is the same budget as budgets[${first.get(twin.id)}], "${twin.name}": give it a name of its own; write ${fix}`;
    problems.push({ key, says, fix, ignorable: false });
  }
}

function checkKnown(hosts: readonly HostConfig[], problems: Problem[]): void {
  const known = hosts.some(({ like }) => like !== undefined) ? createHostLookup() : undefined;
  for (const [index, { like }] of hosts.entries()) {
    if (like === undefined || known?.(like) !== undefined) continue;
    const key = `hosts[${index}].like`;
    const [near = "api.openai.com"] = nearest(
      like,
      HOSTS.map(({ host }) => host),
    );
    const fix = `"like": "${near}"`;
    problems.push({
      key,
      says: `${key} must be a host that spendfuse knows, not "${like}"; write ${fix}`,
      fix,
      ignorable: false,
    });
  }
}
