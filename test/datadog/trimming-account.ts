import { type Json, parse, type RecordedExchange } from "../sandbox/exchanges.ts";

/** What a recorded account does to what it is sent, taken from the recordings alone. */
export interface Habits {
  /** Keys that an answer lacks, with the value that was sent: defaults that are dropped. */
  readonly dropped: ReadonlyMap<string, ReadonlySet<string>>;
  /** Keys that an answer has and the request had not, with one value: what is added. */
  readonly added: ReadonlyMap<string, unknown>;
  /** Keys whose texts are trimmed. */
  readonly trimmed: ReadonlySet<string>;
}

/** Reads the habits off every monitor that was created. */
export function habitsOf(exchanges: readonly RecordedExchange[]): Habits {
  const dropped = new Map<string, Set<string>>();
  const added = new Map<string, unknown>();
  const trimmed = new Set<string>();
  for (const { method, path, status, request, response } of exchanges) {
    if (method !== "POST" || path !== "/api/v1/monitor" || status !== 200) continue;
    const sent = parse(request) as Json;
    const answer = parse(response) as Json;
    for (const [key, value] of Object.entries(sent))
      if (typeof value === "string" && value !== answer[key] && value.trim() === answer[key]) trimmed.add(key);
    const before = (sent.options ?? {}) as Json;
    const after = (answer.options ?? {}) as Json;
    for (const [key, value] of Object.entries(before))
      if (!(key in after)) dropped.set(key, (dropped.get(key) ?? new Set()).add(JSON.stringify(value)));
    for (const [key, value] of Object.entries(after)) if (!(key in before)) added.set(key, value);
  }
  return { dropped, added, trimmed };
}

/** A monitor as such an account stores it. */
export function applyHabits(body: Json, { dropped, added, trimmed }: Habits): Json {
  const own = Object.entries(body).map(([key, value]) => [
    key,
    typeof value === "string" && (trimmed.has(key) || key === "description") ? value.trim() : value,
  ]);
  const result = Object.fromEntries(own) as Record<string, unknown>;
  if (body.options === undefined) return result;
  const options = Object.entries(body.options as Json).filter(
    ([key, value]) => !dropped.get(key)?.has(JSON.stringify(value)),
  );
  result.options = { ...Object.fromEntries(added), ...Object.fromEntries(options) };
  return result;
}
