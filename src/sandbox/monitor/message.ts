import type { Transition } from "./alert.ts";

/** What a message is filled with. */
export interface MessageFacts {
  readonly transition: Transition;
  readonly value: number | undefined;
  readonly threshold: number;
  readonly warnThreshold: number | undefined;
  /** The group's tags by key. */
  readonly tags: ReadonlyMap<string, string>;
  /** Seconds. */
  readonly triggeredAt: number;
  readonly now: number;
}

const BLOCK = /\{\{([#^/])(\w+)([^}]*)\}\}/g;
const VALUE = /\{\{\{?\s*([^#^/{}][^{}]*?)\s*\}?\}\}/g;
const HANDLE = /(?:^|\s)(@[A-Za-z][\w.\-@/]*)/g;

/** The message as it is sent: blocks of other transitions removed, values filled in. */
export function renderMessage(message: string, facts: MessageFacts): string {
  const shown = selectBlocks(message, (name, rest) => holds(name, rest, facts));
  return shown.replace(VALUE, (_, name: string) => textOf(name, facts)).replace(/[ \t]+\n/g, "\n");
}

/** The handles in a message that is sent, each once. */
export function handlesOf(text: string): readonly string[] {
  return [...new Set([...text.matchAll(HANDLE)].map(([, handle = ""]) => handle.replace(/[.,]+$/, "")))];
}

const WEBHOOK = "@webhook-";

/** The webhook that a handle names; undefined for other handles. */
export function webhookOf(handle: string): string | undefined {
  return handle.startsWith(WEBHOOK) ? handle.slice(WEBHOOK.length) : undefined;
}

function selectBlocks(text: string, isTrue: (name: string, rest: string) => boolean): string {
  let out = "";
  let at = 0;
  /** Whether text at this nesting level is shown. */
  const shown = [true];
  for (const found of text.matchAll(BLOCK)) {
    const [whole, sign, name = "", rest = ""] = found;
    if (shown.at(-1)) out += text.slice(at, found.index);
    at = found.index + whole.length;
    if (sign === "/") shown.length = Math.max(1, shown.length - 1);
    else shown.push(shown.at(-1) === true && isTrue(name, rest.trim()) === (sign === "#"));
  }
  return shown.at(-1) ? out + text.slice(at) : out;
}

function holds(name: string, rest: string, { transition, tags }: MessageFacts): boolean {
  const { name: what, from, to } = transition;
  switch (name) {
    case "is_alert":
      return to === "Alert";
    case "is_warning":
      return to === "Warn";
    case "is_no_data":
      return to === "No Data";
    case "is_recovery":
      return what === "Recovered";
    case "is_alert_recovery":
      return what === "Recovered" && from === "Alert";
    case "is_warning_recovery":
      return what === "Recovered" && from === "Warn";
    case "is_no_data_recovery":
      return what === "Recovered" && from === "No Data";
    case "is_alert_to_warning":
      return from === "Alert" && to === "Warn";
    case "is_renotify":
      return what === "Renotify";
    case "is_match":
    case "is_exact_match": {
      const [variable = "", ...wanted] = [...rest.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => text);
      const value = tags.get(variable.replace(/\.name$/, "")) ?? "";
      return wanted.some((one) => (name === "is_match" ? value.includes(one) : value === one));
    }
    default:
      return false;
  }
}

function textOf(name: string, facts: MessageFacts): string {
  const { value, threshold, warnThreshold, tags, triggeredAt, now, transition } = facts;
  switch (name) {
    case "value":
      return value === undefined ? "" : String(Math.round(value * 1e6) / 1e6);
    case "threshold":
      return String(threshold);
    case "warn_threshold":
      return warnThreshold === undefined ? "" : String(warnThreshold);
    case "first_triggered_at_epoch":
      return String(triggeredAt * 1_000);
    case "last_triggered_at_epoch":
      return String(transition.cycle * 1_000);
    case "triggered_duration_sec":
      return String(now - triggeredAt);
    default: {
      const sum = /^eval\s+"(\w+)\s*([-+])\s*(\d+)"$/.exec(name);
      if (sum !== null)
        return String(Number(textOf(sum[1] as string, facts)) + Number(sum[3]) * (sum[2] === "-" ? -1 : 1));
      const computed = /^eval\s+"(.+)"$/.exec(name)?.[1];
      if (computed !== undefined) return evaluateText(computed, value);
      const encoded = /^urlencode\s+"([^"]+)"$/.exec(name)?.[1];
      const key = (encoded ?? name).replace(/\.name$/, "");
      const text = tags.get(key) ?? "";
      return encoded === undefined ? text : encodeURIComponent(text);
    }
  }
}

const SUM = /^(round|int)?\(?\s*value\s*([*/])\s*(\d+(?:\.\d+)?)\s*\)?$/;

/** `{{eval "round(value/3600)"}}`: a product or a quotient of the value; empty for anything else. */
function evaluateText(text: string, value: number | undefined): string {
  const [, how, sign, factor] = SUM.exec(text) ?? [];
  if (factor === undefined || value === undefined) return "";
  const result = sign === "*" ? value * Number(factor) : value / Number(factor);
  if (how === undefined) return String(result);
  return String(how === "round" ? Math.round(result) : Math.trunc(result));
}
