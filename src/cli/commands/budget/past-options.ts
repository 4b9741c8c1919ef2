import type { Config } from "../../../config/config.ts";
import type { BudgetConfig } from "../../../core/config-types.ts";
import { readPeriod } from "../../../core/period.ts";
import { amountText, BUDGET_KINDS, type Budget, readBudget } from "../../../limits/budget.ts";
import { readParts } from "../../../limits/scope-text.ts";
import { isSharedStore } from "../../../stores/addresses.ts";
import { counted } from "../../../terminal/amount.ts";
import { endOfDay, readDay } from "../../../terminal/day.ts";
import type { Values } from "../budget.ts";
import { usage } from "../command.ts";
import type { Past, PastOptions } from "./past.ts";

const DAY_MS = 86_400_000;
const DAYS = 30;

/** Which past is meant: of files of calls the whole, of a store the last 30 days, unless `--from` and `--to` say. */
export function optionsOf({ calls = [], store, db, from, to }: Values, config: Config, now: number): PastOptions {
  const address = store ?? config.store;
  const isShared = address !== undefined && isSharedStore(address);
  if (calls.length === 0 && !isShared)
    throw usage("name the past: --calls FILE with settled calls, or --store with the store of your processes");
  const begin =
    from === undefined ? (calls.length > 0 ? 0 : now - (now % DAY_MS) - DAYS * DAY_MS) : readDay("--from", from);
  const until = to === undefined ? now : endOfDay("--to", to);
  if (until <= begin) throw usage("--to must not be before --from");
  return { files: calls, store: isShared ? address : undefined, db, from: begin, until };
}

/** The budget of `--usd`, `--per` and `--scope`, to be tried alone; undefined without `--usd`. */
export function readTrial({ usd, per = "run", scope }: Values): readonly Budget[] | undefined {
  if (usd === undefined) return undefined;
  const cap = Number(usd.replace(/^\$/, ""));
  if (!(cap > 0)) throw usage(`--usd must be an amount above 0, such as 5, not "${usd}"`);
  readPer(per);
  return readBudget({ per, usd: cap, scope: readTrialScope(scope ?? "agent:*") });
}

export function readPer(per: string): NonNullable<ReturnType<typeof readPeriod>> {
  const period = readPeriod(per);
  if (period === undefined) throw usage(`--per must be run, hour, day, month or a time such as 24h, not "${per}"`);
  return period;
}

function readTrialScope(text: string): NonNullable<BudgetConfig["scope"]> {
  if (text === "all") return {};
  const tags: Record<string, string> = {};
  const kinds: Record<string, string> = {};
  for (const part of readParts(text)) {
    const at = part.indexOf(":");
    if (at < 1 || at === part.length - 1)
      throw usage(`--scope must be such as agent:researcher or agent:*, not "${text}"`);
    const kind = part.slice(0, at);
    const isTag = !(BUDGET_KINDS as readonly string[]).includes(kind);
    (isTag ? tags : kinds)[kind] = part.slice(at + 1);
  }
  return { ...kinds, ...(Object.keys(tags).length > 0 && { tags }) };
}

/** What a reader must know of the figures. */
export function pastNotes({ invalid, unpriced, bill }: Past, spent: number): readonly string[] {
  const dollars = (nano: number): string => amountText("usd", nano / 1e9);
  return [
    ...(invalid > 0 ? [`${counted(invalid, "line")} left out: not a settled call`] : []),
    ...(unpriced > 0
      ? [`${counted(unpriced, "call")} without a known price, counted as $0: see spendfuse prices`]
      : []),
    ...(bill === undefined || bill.days === 0
      ? []
      : [
          `corrected by the bills of ${counted(bill.days, "day")}: they differ by ${dollars(bill.difference)} from what was metered, of ${dollars(spent)} in all`,
          ...(bill.ungoverned > 0
            ? [
                `${dollars(bill.ungoverned)} more was billed for calls that were not metered: no cap would have stopped them`,
              ]
            : []),
        ]),
  ];
}
