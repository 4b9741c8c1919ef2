import { amountText } from "../../../limits/budget.ts";
import type { Circuit } from "../../../limits/circuit.ts";
import type { AuditEntry, Count } from "../../../stores/store.ts";
import { textTable } from "../../../terminal/table.ts";

export function circuitTable(circuits: readonly Circuit[], now: number): readonly string[] {
  if (circuits.length === 0) return ["no circuit is open"];
  const rows = circuits.map((circuit) =>
    circuit.state === "closed"
      ? [circuit.scope, circuit.state, "", "", ""]
      : [circuit.scope, circuit.state, circuit.source, `${minutes(circuit.until - now)} left`, circuit.reason],
  );
  return textTable(["scope", "state", "by", "time", "reason"], rows);
}

const NO_BUDGETS =
  'this store knows no used budget; with "store": "memory" budgets are known only to the process itself';

export function countTable(counts: readonly Count[]): readonly string[] {
  if (counts.length === 0) return [NO_BUDGETS];
  const rows = counts.map(({ key, spent, inUse }) => {
    const [budget = "", scope = "", window = ""] = key.split("|");
    const unit = budget.slice(budget.lastIndexOf("/") + 1);
    const shown = (amount: number): string => (unit === "usd" ? `$${(amount / 1e9).toFixed(4)}` : `${amount} ${unit}`);
    return [budget, scope, windowName(window), shown(spent), shown(inUse)];
  });
  return textTable(["budget", "scope", "window", "spent", "reserved"], rows);
}

export function logTable(entries: readonly AuditEntry[]): readonly string[] {
  if (entries.length === 0) return ["nothing has been changed yet"];
  const rows = entries.map((entry) => {
    const { at, scope, what, by, why } = entry;
    return [new Date(at).toISOString(), what, scope, by, `${why}${capChange(entry)}`];
  });
  return textTable(["at", "what", "scope", "by", "why"], rows);
}

/** Of a changed budget: its cap before and after. */
function capChange({ budget, unit = "usd", before, after }: AuditEntry): string {
  if (before === undefined || after === undefined) return "";
  return ` ("${budget}": ${amountText(unit, before)} to ${amountText(unit, after)})`;
}

function windowName(window: string): string {
  return /^\d{13}$/.test(window) ? new Date(Number(window)).toISOString().slice(0, 16) : window;
}

function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
