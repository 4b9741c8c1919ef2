import { isGrouped } from "../schema/monitor.ts";
import type { Lint } from "./lint.ts";

const SERVER_MADE = [
  "id",
  "created",
  "modified",
  "creator",
  "deleted",
  "overall_state",
  "matching_downtimes",
  "org_id",
  "multi",
];
const NEEDED_TAGS = ["managed-by:spendfuse", "integration:spendfuse"];

/** Options with harmful defaults are set. */
export const monitorOptions: Lint = {
  name: "monitor-options",
  rule: "options are chosen on purpose",
  kinds: ["monitor"],
  style: true,
  *check({ json }) {
    const options = (json.options ?? {}) as Readonly<Record<string, unknown>>;
    const tags = (Array.isArray(json.tags) ? json.tags : []) as readonly string[];
    for (const key of SERVER_MADE) if (key in json) yield { path: key, message: "is made by Datadog: leave it out" };
    for (const tag of NEEDED_TAGS) if (!tags.includes(tag)) yield { path: "tags", message: `${tag} is missing` };
    if (!isGrouped(String(json.query))) {
      if (options.new_group_delay !== undefined)
        yield { path: "options.new_group_delay", message: "is for monitors with groups: leave it out" };
    } else if (typeof options.new_group_delay !== "number")
      yield {
        path: "options.new_group_delay",
        message: "defaults to 60 s: a new agent is not watched for that long",
      };
    else if (options.new_group_delay !== 0 && tags.includes("breaker:on"))
      yield { path: "options.new_group_delay", message: "must be 0 where an agent is to be stopped" };
    const { on_missing_data: missing, notify_no_data: notified } = options;
    if (/default_zero\(/.test(String(json.query)) && ((missing ?? "default") !== "default" || notified === true))
      yield { path: "options.on_missing_data", message: "has no effect on default_zero(): missing data is zero" };
    if (missing === undefined && notified === undefined)
      yield {
        path: "options.on_missing_data",
        message: "say what silence means: default, resolve, show_no_data, show_and_notify_no_data",
      };
    if (typeof options.require_full_window !== "boolean")
      yield {
        path: "options.require_full_window",
        message: "must be set: the defaults of the API and of Terraform differ",
      };
    const { priority } = json;
    if (!Number.isInteger(priority) || (priority as number) < 1 || (priority as number) > 5)
      yield { path: "priority", message: "must be a whole number from 1 to 5" };
    const message = String(json.message ?? "");
    if (!/\]\([^)]+\)/.test(message)) yield { path: "message", message: "has no link to where one looks next" };
    if (!/\{\{value\}\}/.test(message) && !/anomalies\(/.test(String(json.query)) && tags.includes("breaker:on"))
      yield { path: "message", message: "does not say how much: {{value}}" };
    if (tags.includes("breaker:on") !== message.includes("@webhook-"))
      yield { path: "tags", message: "breaker:on and a webhook in the message go together" };
  },
};
