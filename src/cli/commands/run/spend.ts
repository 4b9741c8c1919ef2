import type { SettledCall } from "../../../core/call.ts";

/** What the calls of one run have cost. */
export interface Spend {
  add(call: SettledCall): void;
  /** In one line, for people. */
  line(capUsd: number | undefined): string;
}

export function createSpend(): Spend {
  let calls = 0;
  let refused = 0;
  let unknown = 0;
  let estimated = 0;
  let usd = 0;
  return {
    add({ ending, costUsd, quality, priced }) {
      if (ending === "blocked") refused += 1;
      else calls += 1;
      if (costUsd !== undefined) usd += costUsd;
      else if (priced === "false" || (quality === "unknown" && (ending === "completed" || ending === "canceled")))
        unknown += 1;
      if (quality === "estimated") estimated += 1;
    },
    line(capUsd) {
      const cap = capUsd === undefined ? "" : ` of $${money(capUsd)}`;
      const parts = [`this run spent $${money(usd)}${cap} in ${count(calls, "call")}`];
      if (estimated > 0) parts.push(`${count(estimated, "call")} estimated`);
      if (unknown > 0) parts.push(`the cost of ${count(unknown, "call")} is not known`);
      if (refused > 0) parts.push(`${count(refused, "call")} refused`);
      return parts.join(", ");
    },
  };
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function money(usd: number): string {
  return usd === 0 || usd >= 0.1 ? usd.toFixed(2) : usd.toFixed(4);
}
