import type { Json } from "../core/json.ts";

/** What an alert says to people, cleaned of markup. Empty where the webhook does not carry it. */
export interface AlertText {
  /** The monitor's name, as the notification's title has it, without `[Triggered on {…}]`. */
  readonly title: string;
  /** The address of the monitor, of the alerting group and its time. */
  readonly link: string;
  /** The threshold in the monitor's query. */
  readonly limit: string;
  /** The first line of the message: who, how much, and the limit. */
  readonly text: string;
  /** Whether somebody tries the notification, with made-up values. */
  readonly isTest: boolean;
}

/**
 * The members that hold free text, in the order in which `template.ts` writes them, after all others. Datadog does not
 * say how it escapes them.
 */
const FREE = ["link", "title", "query", "text"] as const;
const MAX_LENGTH = 300;
const MAX_LINK = 1_000;
/** `[Triggered on {agent:a}] `, `[TEST] `, any number of them. */
const MARKS = /^(?:\s*\[[^\]]*\])+\s*/;
const TEST = /^\s*\[(?:[^\]]*\]\s*\[)*\s*test\b/i;

export function readAlertText(fields: ReadonlyMap<string, unknown>): AlertText {
  const title = lineOf(fields.get("title"), MAX_LENGTH);
  const link = lineOf(fields.get("link"), MAX_LINK);
  return {
    title: title.replace(MARKS, "").replace(/\s+on\s+\S+:\S+$/, ""),
    link: /^https?:\/\/\S+$/.test(link) ? link : "",
    limit: /(?:[<>]=?|==|!=)\s*(-?[\d.]+)\s*$/.exec(lineOf(fields.get("query"), 10_000))?.[1] ?? "",
    text: lineOf(fields.get("text"), MAX_LENGTH),
    isTest: TEST.test(title),
  };
}

/** Why a circuit opened, in one line: what the message says, the monitor and its address. */
export function describeAlert(alert: AlertText, monitor: string, scope: string, transition: string): string {
  const { title, text, limit, link } = alert;
  const named = title === "" ? `Datadog monitor ${monitor}` : `Datadog monitor "${title}" (${monitor})`;
  const said = text === "" ? `${named} alerts on ${scope} (${transition})` : `${text} ${named}, ${transition}`;
  const limited = limit === "" || said.includes(limit) ? said : `${said}, limit ${limit}`;
  return link === "" ? limited : `${limited}: ${link}`;
}

/** The first line that says something, without markup; empty for what is no text or was not filled in. */
function lineOf(value: unknown, max: number): string {
  if (typeof value !== "string" || value.startsWith("$")) return "";
  const lines = value.split(/[\r\n]+/).map((line) =>
    line
      .replace(/\p{Cc}+/gu, " ")
      .replace(/\*\*|%%%/g, "")
      .trim(),
  );
  return (lines.find((line) => line !== "") ?? "").slice(0, max);
}

/** The members of a body whose free text breaks its JSON; undefined for a body of another form. */
export function readBrokenText(body: string, parse: (text: string) => Json | undefined): Json | undefined {
  const starts = FREE.map((name) => new RegExp(`,\\s*"${name}"\\s*:\\s*"`).exec(body));
  const [first] = starts;
  if (!first) return undefined;
  const known = parse(`${body.slice(0, first.index)}}`);
  if (known === undefined) return undefined;
  const free: Record<string, string> = {};
  for (const [index, start] of starts.entries()) {
    if (!start) continue;
    const end = starts.slice(index + 1).find((next) => next !== null)?.index ?? body.lastIndexOf("}");
    const quoted = body.slice(start.index + start[0].length, end);
    free[FREE[index] as string] = quoted
      .slice(0, Math.max(0, quoted.lastIndexOf('"')))
      .replaceAll("\\n", "\n")
      .replaceAll('\\"', '"');
  }
  return { ...known, ...free };
}
