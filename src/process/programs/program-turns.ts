import type { CallPart, SettledCall } from "../../core/call.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { restOf, type Usage } from "../../core/usage.ts";
import type { ModelReport, ProgramReport, ProgramStart } from "../../meter/call/started-program.ts";
import type { PriceSource } from "../../pricing/price.ts";

/** What a turn of a program is found from. Reports are of all that it has used since it began. */
export interface TurnOptions {
  readonly report: ProgramReport;
  /** The report before; undefined for the first. */
  readonly last: ProgramReport | undefined;
  readonly start: ProgramStart;
  readonly node: ScopeNode;
  readonly startedAt: number;
  readonly price: PriceSource;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Turn {
  readonly call: SettledCall;
  readonly parts: readonly CallPart[];
}

/** The calls of a turn as one record; undefined where nothing was used since the last report. */
export function turnOf(options: TurnOptions): Turn | undefined {
  const { report, last, start, node, startedAt, now } = options;
  // Its total begins anew when a session is cleared.
  const before = last !== undefined && isBelow(report, last) ? undefined : last;
  const models = report.models.map((own) => since(own, before)).filter(({ usage }) => usage.input + usage.output > 0);
  const usd = report.usd === undefined ? undefined : report.usd - (before?.usd ?? 0);
  if (models.length === 0 && !usd) return undefined;
  const parts = models.map((own) => partOf(options, own));
  const [first] = parts;
  const nano = usd === undefined ? sumOf(parts) : Math.round(usd * 1e9);
  const call: SettledCall = {
    id: `${now.toString(36)}-${start.name}`,
    scope: node.scope,
    provider: report.provider,
    model: first?.model ?? "unknown",
    format: report.format,
    stream: true,
    ending: "completed",
    quality: first === undefined ? "unknown" : "reported",
    priced: nano === undefined ? "false" : "true",
    ...(first !== undefined && { usage: first.usage }),
    ...(parts.length > 1 && { otherModels: parts.slice(1).map(({ model, usage }) => ({ model, usage })) }),
    ...(nano !== undefined && {
      costUsd: nano / 1e9,
      costSource: usd === undefined ? ("local" as const) : ("provider" as const),
    }),
    startedAt,
    durationMs: Math.max(0, now - startedAt),
  };
  return { call, parts };
}

function isBelow(report: ProgramReport, last: ProgramReport): boolean {
  if (report.usd !== undefined && last.usd !== undefined) return report.usd < last.usd;
  return tokensOf(report) < tokensOf(last);
}

function tokensOf({ models }: ProgramReport): number {
  return models.reduce((sum, { usage }) => sum + usage.input + usage.output, 0);
}

function since(own: ModelReport, before: ProgramReport | undefined): ModelReport {
  const earlier = before?.models.find(({ model }) => model === own.model);
  if (earlier === undefined) return own;
  const usage: Usage = restOf(own.usage, earlier.usage);
  return { ...own, usage, usd: own.usd === undefined ? undefined : own.usd - (earlier.usd ?? 0) };
}

function partOf({ report, start, startedAt, price }: TurnOptions, { model, usage, usd }: ModelReport): CallPart {
  const named = model ?? start.model ?? "unknown";
  if (usd !== undefined) return { model: named, usage, costNano: Math.round(usd * 1e9) };
  const known = price({ provider: report.provider, model: named, at: startedAt, usage });
  return { model: named, usage, costNano: known?.nanoUsd };
}

function sumOf(parts: readonly CallPart[]): number | undefined {
  let sum = 0;
  for (const { costNano } of parts) {
    if (costNano === undefined) return undefined;
    sum += costNano;
  }
  return sum;
}

/** Above both the figures differ. */
const SAME = { share: 0.01, usd: 0.01 };

/** Whether what was metered and what a program says that it has spent are not the same amount, in USD. */
export function differs(ours: number, theirs: number): boolean {
  return Math.abs(ours - theirs) > Math.max(SAME.share * Math.max(ours, theirs), SAME.usd);
}

/** A line that compares what was metered with what a program says that it has spent. */
export function differenceOf(name: string, ours: number, theirs: number): string {
  const figures = `metered $${ours.toFixed(4)}, by its own report $${theirs.toFixed(4)}`;
  return `${name}: ${figures}${differs(ours, theirs) ? `; they differ by $${Math.abs(ours - theirs).toFixed(4)}` : ""}`;
}
