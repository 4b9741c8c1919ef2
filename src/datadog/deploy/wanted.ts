import { SECRET_VARIABLE, WEBHOOK_NAME } from "../../breaker/template.ts";
import { SpendfuseError } from "../../core/errors.ts";
import { METRICS } from "../../core/names.ts";
import { NO_TAGS } from "../../core/tags/tags.ts";
import type { Asset } from "../assets.ts";
import { setThreshold, unitOf } from "../parameters.ts";
import { leavesOf, parseFilter } from "../query/filter.ts";

export type Body = Readonly<Record<string, unknown>>;

/** The wanted state of a dashboard or a monitor. */
export interface Wanted {
  readonly kind: Asset["kind"];
  /** Its key in the account, whatever its title: the prefix and the file's name. */
  readonly key: string;
  readonly body: Body;
}

export interface Choices {
  /** New thresholds, by monitor. */
  readonly settings: ReadonlyMap<string, number>;
  /** Handles to notify. With none, the monitors notify no one. */
  readonly notify: readonly string[];
  readonly webhook: boolean;
  /** Prepended to every name, as given; empty without one. */
  readonly prefix: string;
  /** Such as `env:prod`; added to every query. */
  readonly filters: readonly string[];
  /** Tags of the user's own, each a template variable of the dashboards about spend. */
  readonly tags?: readonly string[];
}

export const ON_CALL = "@oncall-REPLACE-ME";
export const MANAGED = "managed-by:spendfuse";

/** The prefix as it is part of keys and names: `Staging EU ` is `staging-eu`. */
export function slugOf(prefix: string): string {
  return prefix
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
}

/** What the account's webhook and its secret are called. */
export function namesOf(prefix: string): { readonly webhook: string; readonly variable: string } {
  const slug = slugOf(prefix);
  if (slug === "") return { webhook: WEBHOOK_NAME, variable: SECRET_VARIABLE };
  return {
    webhook: `${WEBHOOK_NAME}-${slug}`,
    variable: `${SECRET_VARIABLE}_${slug.toUpperCase().replaceAll("-", "_")}`,
  };
}

/** @throws SpendfuseError `SPENDFUSE_USAGE` for invalid handles and filters. */
export function checkChoices({ notify, filters, prefix }: Choices): void {
  const fail = (message: string): never => {
    throw new SpendfuseError("SPENDFUSE_USAGE", message);
  };
  for (const handle of notify)
    if (!/^@[A-Za-z][\w.@/-]*$/.test(handle) || handle === ON_CALL)
      fail(`--notify ${handle}: a handle is such as @oncall-payments, @slack-spend or @someone@example.com`);
  for (const filter of filters) {
    try {
      const parsed = parseFilter(filter);
      if (parsed.type === "all") fail(`--filter ${filter} filters nothing`);
      const bare = leavesOf(parsed).some((leaf) => leaf.type === "tag" && leaf.value === "");
      if (bare) fail(`--filter ${filter} names a tag without a value: it is such as env:prod`);
    } catch (cause) {
      fail(`--filter ${filter}: ${(cause as Error).message}; it is such as env:prod`);
    }
  }
  if (prefix !== "" && slugOf(prefix) === "") fail(`--prefix ${prefix} needs a letter or a digit`);
}

/** Applies the choices to the shipped files. */
export function wantedOf(assets: readonly Asset[], choices: Choices): readonly Wanted[] {
  const slug = slugOf(choices.prefix);
  return assets.map(({ kind, name, json }) => {
    const key = slug === "" ? name : `${slug}/${name}`;
    return { kind, key, body: kind === "monitor" ? monitorBody(name, json, choices) : dashboardBody(json, choices) };
  });
}

function monitorBody(name: string, json: Body, choices: Choices): Body {
  const value = choices.settings.get(name);
  const unit = unitOf(name);
  const set = value === undefined || unit === undefined ? json : setThreshold(json, unit, value);
  const query = addFilters(String(set.query), choices.filters);
  const { prefix, webhook } = choices;
  const body = { ...set, name: `${prefix}${set.name}`, query };
  const message = addressMessage(String(set.message ?? ""), choices);
  if (webhook) return { ...body, message };
  // Without a webhook no circuit needs the heartbeat.
  const { renotify_interval: _, renotify_statuses: __, ...options } = (set.options ?? {}) as Body;
  // The tag stays: a breaker may poll the monitors that have it.
  return { ...body, message, options };
}

function dashboardBody(json: Body, { prefix, filters, tags = NO_TAGS }: Choices): Body {
  const tagged = tags.length === 0 ? json : addTagVariables(json, tags);
  const filtered = filters.length === 0 ? tagged : (walk(tagged, (query) => addFilters(query, filters)) as Body);
  return { ...filtered, title: `${prefix}${json.title}` };
}

/** The metrics that have the tags, by the beginning of a query. */
const TAGGED = new Set<string>(
  [METRICS.cost, METRICS.charges, METRICS.tokens, METRICS.calls, METRICS.blockedCalls].map(({ name }) => name),
);

/** Dashboards with a template variable for each tag, as deploy would install them. */
export function withTagVariables(assets: readonly Asset[], tags: readonly string[]): readonly Asset[] {
  if (tags.length === 0) return assets;
  return assets.map((asset) =>
    asset.kind === "dashboard" ? { ...asset, json: addTagVariables(asset.json, tags) } : asset,
  );
}

/** A variable for each tag, in every query of a metric that has it and follows the dashboard's other variables. */
function addTagVariables(json: Body, tags: readonly string[]): Body {
  const variables = tags.map((tag) => `$${tag}`);
  let any = false;
  const changed = walk(json, (query) =>
    addFilters(query, variables, (metric, inner) => {
      const takes = TAGGED.has(metric) && inner.includes("$");
      any ||= takes;
      return takes;
    }),
  ) as Body;
  if (!any) return json;
  const before = (json.template_variables ?? []) as readonly Body[];
  const more = tags.map((name) => ({ name, prefix: name, available_values: [], defaults: ["*"] }));
  return { ...changed, template_variables: [...before, ...more] };
}

/** Changes the queries of widgets. */
function walk(value: unknown, change: (query: string) => string, key = ""): unknown {
  if (typeof value === "string") return key === "query" ? change(value) : value;
  if (Array.isArray(value)) return value.map((one) => walk(one, change, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, change, name)]));
}

const BRACES = /\b((?:avg|sum|min|max|count):([\w.]+))\{([^}]*)\}/g;

/** @param takes Whether a query of this metric, with this filter, is filtered. */
function addFilters(
  query: string,
  filters: readonly string[],
  takes: (metric: string, inner: string) => boolean = () => true,
): string {
  if (filters.length === 0) return query;
  return query.replace(BRACES, (whole: string, head: string, metric: string, inner: string) => {
    if (!takes(metric, inner)) return whole;
    if (inner.trim() === "*") return `${head}{${joinFilters(filters)}}`;
    const boolean = [inner, ...filters].some((text) => /\s(?:AND|OR|IN|NOT)\s/i.test(text));
    if (!boolean) return `${head}{${[inner, ...filters].join(",")}}`;
    return `${head}{${[inner, ...filters].map((text) => `(${text})`).join(" AND ")}}`;
  });
}

function joinFilters(filters: readonly string[]): string {
  const boolean = filters.length > 1 && filters.some((text) => /\s(?:AND|OR|IN|NOT)\s/i.test(text));
  return boolean ? filters.map((text) => `(${text})`).join(" AND ") : filters.join(",");
}

function addressMessage(message: string, { notify, webhook, prefix }: Choices): string {
  const told = message
    .replaceAll(ON_CALL, () => notify.join(" "))
    .replace(/\{\{\^is_renotify\}\}\s*\{\{\/is_renotify\}\}/g, "");
  const handle = `@webhook-${WEBHOOK_NAME}`;
  if (webhook) return told.replaceAll(`${handle} `, `@webhook-${namesOf(prefix).webhook} `);
  return told
    .replace(/\{\{#is_renotify\}\}[\s\S]*?\{\{\/is_renotify\}\}\n?/g, "")
    .replaceAll(`${handle} `, "")
    .replace(
      /\*\*What happened automatically:\*\* the breaker was told[^\n]*/g,
      "**What happened automatically:** nothing, unless a breaker reads the states of monitors: no webhook is installed.",
    );
}

/** The tags that mark a monitor as managed. */
export function ownTags(key: string): readonly string[] {
  return [MANAGED, `spendfuse:${key}`];
}
