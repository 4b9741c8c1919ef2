import { metricsOf } from "../query/expression.ts";
import { type MonitorQuery, parseMonitorQuery } from "../query/monitor-query.ts";
import { readMark } from "./mark.ts";
import type { Found } from "./plan.ts";
import type { Body, Wanted } from "./wanted.ts";

/** Where the links of messages lead. */
export interface Places {
  /** The web app, such as `https://app.datadoghq.com`. */
  readonly app: string;
  /** The ids of the account's dashboards, by key. */
  readonly ids: ReadonlyMap<string, string>;
  /** The dashboards that messages name, by title. */
  readonly boards: ReadonlyMap<string, Board>;
}

export interface Board {
  readonly key: string;
  /** Template variables, by the tag that they are of. */
  readonly variables: ReadonlyMap<string, string>;
}

const LINK = /\]\((\/[^)\s]*)\)/g;
const LIST = "/dashboard/lists?q=";
const HOUR_S = 3_600;
/** How much is shown after an alert began. */
const AFTER_S = 900;

/** The dashboards that links can name. */
export function boardsOf(dashboards: readonly { readonly key: string; readonly json: Body }[]): Places["boards"] {
  return new Map(
    dashboards.map(({ key, json }) => {
      const variables = (json.template_variables ?? []) as readonly {
        readonly name: string;
        readonly prefix?: string;
      }[];
      const byTag = variables.flatMap(({ name, prefix }) => (prefix ? [[prefix, name] as const] : []));
      return [String(json.title), { key, variables: new Map(byTag) }] as const;
    }),
  );
}

/** The dashboards of an account that are ours, by key. */
export function idsOf(found: readonly Found[]): ReadonlyMap<string, string> {
  return new Map(
    found.flatMap(({ kind, id, body }) => {
      const key = kind === "dashboard" ? readMark(kind, body)?.key : undefined;
      return key === undefined ? [] : [[key, String(id)] as const];
    }),
  );
}

/**
 * A monitor whose message has whole addresses: mail and chat cannot follow others. A dashboard opens at the time of the
 * alert, with the alert's group chosen.
 */
export function withLinks(wanted: Wanted, places: Places): Wanted {
  if (wanted.kind !== "monitor") return wanted;
  const query = readQuery(wanted.body);
  const message = String(wanted.body.message ?? "").replace(
    LINK,
    (_, path: string) => `](${addressOf(path, query, places)})`,
  );
  return { ...wanted, body: { ...wanted.body, message } };
}

function addressOf(path: string, query: MonitorQuery | undefined, { app, ids, boards }: Places): string {
  const title = path.startsWith(LIST) ? decodeURIComponent(path.slice(LIST.length)) : undefined;
  const board = title === undefined ? undefined : boards.get(title);
  const id = board && ids.get(board.key);
  if (board === undefined || id === undefined) return app + path;
  const by = query === undefined ? [] : (metricsOf(query.expression)[0]?.by ?? []);
  const values = by.flatMap((tag) => {
    const name = board.variables.get(tag);
    return name === undefined ? [] : [`tpl_var_${name}={{urlencode "${tag}.name"}}`];
  });
  const before = Math.max(HOUR_S, query?.window.type === "last" ? query.window.seconds : HOUR_S);
  const times = [
    `from_ts={{eval "last_triggered_at_epoch-${before * 1_000}"}}`,
    `to_ts={{eval "last_triggered_at_epoch+${AFTER_S * 1_000}"}}`,
  ];
  return `${app}/dashboard/${id}?${[...values, ...times, "live=false"].join("&")}`;
}

function readQuery({ query }: Body): MonitorQuery | undefined {
  try {
    return parseMonitorQuery(String(query));
  } catch {
    return undefined;
  }
}
