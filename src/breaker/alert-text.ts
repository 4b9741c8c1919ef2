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

/** The members of `template.ts`. Datadog does not say how it escapes the free text in the last four. */
const MEMBERS = "v monitor event transition cycle scope tags at org link title query text".split(" ");
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

/** The members of a body whose free text breaks its JSON, in any order; undefined for a body of another form. */
export function readBrokenText(body: string): Json | undefined {
  const starts = MEMBERS.flatMap((name) => {
    const found = new RegExp(`[{,]\\s*"${name}"\\s*:\\s*`).exec(body);
    return found === null ? [] : [{ name, at: found.index, from: found.index + found[0].length }];
  }).sort((a, b) => a.at - b.at);
  if (!starts.some(({ name }) => name === "transition")) return undefined;
  const members = starts.map(({ name, from }, index) => {
    const raw = body.slice(from, starts[index + 1]?.at ?? body.lastIndexOf("}")).trim();
    return [name, raw.startsWith('"') ? unquote(raw) : Number(raw)] as const;
  });
  return Object.fromEntries(members);
}

function unquote(raw: string): string {
  return raw
    .slice(1, Math.max(1, raw.lastIndexOf('"')))
    .replaceAll("\\n", "\n")
    .replaceAll('\\"', '"');
}
