import { normalizeTag, UNKNOWN_AGENT, UNTAGGED } from "../core/scope.ts";
import { NO_TAGS, tagValue } from "../core/tags/tags.ts";
import type { AlertMark, CircuitEvent } from "../limits/circuit.ts";
import { type AlertText, describeAlert, readAlertText } from "./alert-text.ts";

/** What a webhook asks for, why it is ignored, or why it is invalid. */
export type Reading =
  | {
      readonly type: "change";
      readonly scope: string;
      readonly event: CircuitEvent;
      /** Tags of the alert's group that cannot be part of a circuit's scope. */
      readonly leftOut: readonly string[];
    }
  | { readonly type: "ignore"; readonly why: string }
  | { readonly type: "fault"; readonly why: string };

/** The payload that `template.ts` configures. */
interface Payload {
  readonly v: 1;
  readonly monitor: string;
  readonly event: string;
  readonly transition: string;
  readonly cycle: string;
  readonly scope: string;
  readonly tags: string;
  readonly at: number;
  readonly org: string;
  readonly said: AlertText;
}

const TRIPS: ReadonlySet<string> = new Set(["Triggered", "Re-Triggered", "Renotify"]);
const WARNS: ReadonlySet<string> = new Set(["Warn", "Re-Warn"]);
const RECOVERS = "Recovered";

/** The kinds of a circuit, as Datadog's group tags name them. */
const KINDS: ReadonlySet<string> = new Set(["agent", "root_agent", "team", "project", "key"]);
/** The tags read when there is no group: `team` and others may be tags of the monitor that name its owner. */
const AGENTS: ReadonlySet<string> = new Set(["agent", "root_agent"]);
/** Values that stand for many agents; a circuit on one would stop the wrong ones. */
const GATHERED: ReadonlySet<string> = new Set(["other", UNTAGGED]);

const TEXTS = ["monitor", "event", "transition", "cycle", "scope", "tags", "org"] as const;
/** Those that a webhook may lack, or have as `null`: what decides is in the others. */
const OPTIONAL: ReadonlySet<string> = new Set(["event", "scope", "tags", "org"]);
/** In characters. Tags have no limit of their own, because a host adds its own. */
const MAX_LENGTH = { scope: 2_000, others: 200 };
const MAX_LEFT_OUT = 20;
const NO_GROUP = `no tag of the alert's group is of ${[...KINDS].join(", ")}: group the monitor by one of them`;
const MAX_AHEAD_MS = 10 * 60_000;
const MAX_AGE_MS = 24 * 3_600_000;

/**
 * Reads the parsed body of a webhook. Never throws.
 * @param tags The tags that the configuration declares.
 */
export function readWebhook(body: unknown, now: number, ttlMs: number, tags: readonly string[] = NO_TAGS): Reading {
  const payload = readPayload(body);
  if (typeof payload === "string") return { type: "fault", why: payload };
  const { transition, at, monitor, cycle, event } = payload;
  if (payload.said.isTest) return { type: "ignore", why: "a test notification opens and closes nothing" };
  if (at > now + MAX_AHEAD_MS) return { type: "fault", why: '"at" lies more than 10 minutes ahead: check the clocks' };
  if (at < now - MAX_AGE_MS) return { type: "ignore", why: "older than a day" };
  if (WARNS.has(transition)) return { type: "ignore", why: "a warning opens no circuit" };
  if (!TRIPS.has(transition) && transition !== RECOVERS) {
    return { type: "ignore", why: `the transition "${transition.slice(0, 50)}" opens and closes nothing` };
  }
  const target = payload.scope === "" ? targetOf(payload.tags, AGENTS) : targetOf(payload.scope, kindsWith(tags));
  if ("fault" in target) return { type: "fault", why: target.fault };
  const { scope, leftOut, gathered } = target;
  if (gathered !== undefined) return { type: "ignore", why: `${gathered} is not one agent: many add up under it` };
  const mark: AlertMark = { cycle, transition, event, at };
  const by = `monitor ${monitor}`;
  if (transition === RECOVERS) {
    return { type: "change", scope, leftOut, event: { type: "recover", by, alert: [monitor, mark] } };
  }
  const reason = describeAlert(payload.said, monitor, scope, transition);
  const trip: CircuitEvent = { type: "trip", source: "datadog", reason, by, ttlMs, alert: [monitor, mark] };
  return { type: "change", scope, leftOut, event: trip };
}

function readPayload(body: unknown): Payload | string {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return "the body must be one JSON object";
  const fields = new Map(Object.entries(body));
  if (fields.get("v") !== 1) return '"v" must be 1: configure the payload that `spendfuse breaker template` prints';
  const texts: Record<string, string> = {};
  for (const name of TEXTS) {
    const value = fields.get(name);
    // Datadog fills in quoted variables, so that numbers arrive as strings; some proxies convert them back.
    const text = typeof value === "number" ? String(value) : ((OPTIONAL.has(name) ? (value ?? "") : value) as unknown);
    if (name === "tags") {
      texts[name] = readableTags([text].flat().filter(isText).join());
      continue;
    }
    const max = name === "scope" ? MAX_LENGTH.scope : MAX_LENGTH.others;
    if (typeof text !== "string" || text.length > max || /\p{Cc}/u.test(text))
      return `"${name}" must be one line of text of at most ${max} characters`;
    if (text.startsWith("$")) return `"${name}" still holds the variable ${text.slice(0, 50)}, which was not filled in`;
    texts[name] = text;
  }
  const { monitor, transition, cycle } = texts;
  for (const [name, value] of Object.entries({ monitor, transition, cycle })) {
    if (value === "") return `"${name}" must not be empty`;
  }
  const raw = fields.get("at");
  const at = typeof raw === "string" && /^\d{12,14}$/.test(raw) ? Number(raw) : raw;
  if (typeof at !== "number" || !Number.isSafeInteger(at) || at < 0) return '"at" must be milliseconds since the epoch';
  return { ...(texts as unknown as Payload), v: 1, at, said: readAlertText(fields) };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** A host adds tags of its own, of which any may be odd: those that cannot be read are left out. */
function readableTags(tags: string): string {
  return tags.startsWith("$") ? "" : tags.replace(/\p{Cc}+/gu, ",");
}

type Target =
  | { readonly scope: string; readonly leftOut: readonly string[]; readonly gathered: string | undefined }
  | { readonly fault: string };

/** The scope of a circuit in a comma-separated list of tags, or why there is none. */
function targetOf(tags: string, kinds: ReadonlySet<string> = KINDS): Target {
  const values = new Map<string, string>();
  const leftOut: string[] = [];
  let gathered: string | undefined;
  for (const tag of tags.split(",")) {
    const colon = tag.indexOf(":");
    const kind = tag.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    const raw = tag.slice(colon + 1).trim();
    if (!kinds.has(kind)) {
      if (tag.trim() !== "" && leftOut.length < MAX_LEFT_OUT) leftOut.push(tag.trim());
      continue;
    }
    if (raw === "" || raw === "*") continue;
    const value = KINDS.has(kind) ? normalizeTag(raw) : tagValue(kind, raw);
    if (value === "") continue;
    if ((values.get(kind) ?? value) !== value) return { fault: `two values of ${kind}: a circuit is of one` };
    if (GATHERED.has(value) || (value === UNKNOWN_AGENT && AGENTS.has(kind))) gathered = `${kind}:${value}`;
    values.set(kind, value);
  }
  if (values.size === 0) return { fault: NO_GROUP };
  const parts = [...values].map(([kind, value]) => `${kind}:${value}`);
  return { scope: parts.sort().join(","), leftOut, gathered };
}

function kindsWith(tags: readonly string[]): ReadonlySet<string> {
  return tags.length === 0 ? KINDS : new Set([...KINDS, ...tags]);
}

/** A scope as an operator writes it, `agent:a` or `{ "agent": "a" }`, as circuits have it; undefined when invalid. */
export function readScope(named: unknown, tags: readonly string[] = NO_TAGS): string | undefined {
  if (named === "all") return "all";
  const text = typeof named === "object" && named !== null ? textOfFields(named) : named;
  if (typeof text !== "string" || text.length > MAX_LENGTH.scope) return undefined;
  const target = targetOf(text, kindsWith(tags));
  return "fault" in target || target.leftOut.length > 0 ? undefined : target.scope;
}

/** `{ "agent": "a" }` as `agent:a`; undefined when a value is neither text nor a number. */
function textOfFields(fields: object): string | undefined {
  const pairs = Object.entries(fields);
  if (pairs.some(([, value]) => typeof value !== "string" && typeof value !== "number")) return undefined;
  return pairs.map((pair) => pair.join(":")).join(",");
}
