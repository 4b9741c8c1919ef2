import { amountText } from "../limits/budget.ts";
import type { AuditEntry } from "../stores/store.ts";
import type { Rest } from "./rest/rest.ts";

/** The body of `POST /api/v1/events`. */
export interface EventBody {
  readonly title: string;
  readonly text: string;
  readonly tags: readonly string[];
  readonly alert_type: "error" | "warning" | "info" | "success";
  /** Seconds since the epoch. */
  readonly date_happened: number;
  /** One scope's events are one group of the event stream. */
  readonly aggregation_key: string;
  readonly priority: "normal";
}

const MAX_TEXT = 3_900;
const MAX_KEY = 100;

/** Title and severity by what was done. Extensions and recoveries are part of a trip, and no event. */
const KINDS: Readonly<Record<string, readonly [title: string, type: EventBody["alert_type"]]>> = {
  trip: ["Circuit opened", "error"],
  reset: ["Circuit reset", "success"],
  stop: ["Budget used up", "warning"],
  approve: ["Call allowed beyond its cap", "info"],
};

/** The same for changes of a budget's cap. */
const CAP_KINDS: typeof KINDS = {
  raise: ["Budget raised", "info"],
  lower: ["Budget lowered", "warning"],
  reset: ["Budget reset", "info"],
};

/** The event of an entry of the log; undefined for what is none. */
export function eventOf(entry: AuditEntry): EventBody | undefined {
  const { at, scope, what, by, why, until, budget } = entry;
  const kind = (budget === undefined ? KINDS : CAP_KINDS)[what];
  if (kind === undefined || /\((?:extended|open already, and for longer)\)$/.test(why)) return undefined;
  const [title, type] = kind;
  const cap = budget === undefined ? "" : `\n${capText(entry)}`;
  const lasts = budget === undefined ? "Open" : "In force";
  const end = until === undefined ? "" : `\n${lasts} until ${new Date(until).toISOString()}.`;
  // A comma would end the tag.
  const tags = ["source:spendfuse", `spendfuse_event:${what}`, ...(scope === "all" ? ["scope:all"] : scope.split(","))];
  return {
    title: `${title}: ${scope}`,
    text: `${why}\nBy ${by}.${cap}${end}`.slice(0, MAX_TEXT),
    tags,
    alert_type: type,
    date_happened: Math.floor(at / 1_000),
    aggregation_key: `spendfuse ${scope}`.slice(0, MAX_KEY),
    priority: "normal",
  };
}

function capText({ budget, unit = "usd", before = 0, after = 0 }: AuditEntry): string {
  return `The cap of "${budget}" was ${amountText(unit, before)}, and is ${amountText(unit, after)}.`;
}

/** Sends the event of an entry, if it is one. @throws ApiRefusal */
export async function postEntry(rest: Rest, entry: AuditEntry): Promise<void> {
  const event = eventOf(entry);
  if (event !== undefined) await rest.ask("POST", "/api/v1/events", event);
}
