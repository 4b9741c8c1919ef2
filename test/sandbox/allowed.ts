/**
 * What may differ between a recorded answer and the sandbox's, and why. A rule is about paths such as
 * `options.silenced`, with `[]` for the places of lists. Everything else must be equal.
 */
export interface Allowance {
  readonly path: RegExp;
  readonly why: string;
  /** Whether a difference is such a one. Undefined is a missing value. */
  readonly fits: (recorded: unknown, ours: unknown) => boolean;
}

const sameKind = (a: unknown, b: unknown): boolean => typeof a === typeof b && (a === null) === (b === null);
const oneMissing = (a: unknown, b: unknown): boolean => a === undefined || b === undefined;
const missingAs =
  (...values: readonly unknown[]) =>
  (a: unknown, b: unknown): boolean =>
    oneMissing(a, b) && values.some((value) => JSON.stringify(a ?? b ?? null) === JSON.stringify(value));

export const ALLOWED: readonly Allowance[] = [
  {
    path: /(^|\.)id$|monitor_id$|widget_ids\[\]$|_dashboard_id$|_monitor_id$|^\[\]\.id$/,
    why: "ids are the account's",
    fits: sameKind,
  },
  { path: /(^|\.)(org_id|url)$/, why: "they name the account or hold an id", fits: sameUrl },
  { path: /(created|created_at|modified|modified_at|uploaded_at)$/, why: "times", fits: sameTime },
  {
    path: /(^|\.)(creator(\..+)?|author_handle|author_name|uploaded_by(\..+)?)$/,
    why: "who asked; a name may be unknown",
    fits: (a, b) => (a === null && typeof b === "string") || sameKind(a, b),
  },
  {
    path: /^(\[\]\.)?(draft_status|assets|restriction_policy|run_as|restricted|overall_state_modified)$/,
    why: "fields that came to monitors between 2022 and 2026",
    fits: missingAs("published", "draft", [], null, false, true),
  },
  {
    path: /(^|\.)options\.(avalanche_window|groupby_simple_monitor|locked)$/,
    why: "defaults that answers of different years and organisations have and have not",
    fits: missingAs(10, 20, false),
  },
  {
    path: /^(is_read_only|restricted_roles|experience_type)$/,
    why: "dashboards are answered with and without them; mostly by the year",
    fits: missingAs(false, [], "default"),
  },
  {
    path: /^data\.attributes\.tags$/,
    why: "a set: the same configuration was read in two orders",
    fits: (a, b) => JSON.stringify([...(a as string[])].sort()) === JSON.stringify([...(b as string[])].sort()),
  },
  {
    path: /^errors\[\]\.detail$/,
    why: "the order of what is missing",
    fits: (a, b) => String(a).split("\n").sort().join() === String(b).split("\n").sort().join(),
  },
  { path: /^description$/, why: "null or empty, both are no text", fits: (a, b) => (a ?? "") === (b ?? "") },
  { path: /^auth_method_id$/, why: "came to webhooks later", fits: missingAs(null) },
  {
    path: /(^|\.)overall_state_modified$/,
    why: "a monitor that has had data has a time",
    fits: (a, b) => b === null && !Number.isNaN(Date.parse(String(a))),
  },
  { path: /^meta\.total_filtered_count$/, why: "how much the account holds", fits: sameKind },
  {
    path: /^(\[\]\.)?overall_state$/,
    why: "the state of a monitor depends on data",
    fits: sameKind,
  },
  {
    path: /\.charge_period\.(start|end)$/,
    why: "the recording does not hold the upload",
    fits: sameKind,
  },
];

/** Paths of an address must agree but for ids. */
function sameUrl(a: unknown, b: unknown): boolean {
  if (typeof a !== "string" || typeof b !== "string") return sameKind(a, b);
  // Recordings that people wrote by hand, with ids such as abc-123-xyz, spell the title in other ways.
  const slug = (text: string): string => text.replace(/^\/dashboard\/[^/]+/, "").replace(/[^a-z0-9]/g, "");
  return slug(a) === slug(b) || slug(a) === "";
}

function sameTime(a: unknown, b: unknown): boolean {
  if (typeof a === "number") return typeof b === "number" && String(a).length === String(b).length;
  return !Number.isNaN(Date.parse(String(a))) && !Number.isNaN(Date.parse(String(b)));
}

/** The differences that are not allowed. */
export function differences(recorded: unknown, ours: unknown, path = ""): readonly string[] {
  if (JSON.stringify(recorded) === JSON.stringify(ours)) return [];
  const place = path.replace(/\[\d+\]/g, "[]");
  if (ALLOWED.some((rule) => rule.path.test(place) && rule.fits(recorded, ours))) return [];
  if (Array.isArray(recorded) && Array.isArray(ours) && recorded.length === ours.length)
    return recorded.flatMap((one, index) => differences(one, ours[index], `${path}[${index}]`));
  if (isObject(recorded) && isObject(ours)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(ours)]);
    return [...keys].flatMap((key) => differences(recorded[key], ours[key], path === "" ? key : `${path}.${key}`));
  }
  if (recorded === ours) return [];
  return [`${path}: recorded ${shorten(recorded)}, ours ${shorten(ours)}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 200);
}
