import type { CostLine, CostSink } from "../billing/costs.ts";
import { SpendfuseError } from "../core/errors.ts";
import { array, object, text } from "../core/json.ts";
import type { MetricName } from "../core/names.ts";
import { refusalOf } from "./rest/refusal.ts";
import type { Rest } from "./rest/rest.ts";

/** What Datadog makes of the custom costs that are uploaded to Cloud Cost Management, a point a day. */
export const CLOUD_COST: MetricName = {
  name: "custom.cost.amortized",
  unit: "USD",
  kind: "counter",
  description: "Allocated bill, as custom costs",
  attributes: ["providername", "project", "key", "model", "agent", "root_agent", "team", "governed"],
};

const ROOT = "/api/v2/cost/custom_costs";
const PAGE = 100;
const DAY_MS = 86_400_000;

interface File {
  readonly id: string;
  readonly providers: readonly unknown[];
  /** Milliseconds since the epoch. */
  readonly start: number | undefined;
}

/**
 * Cloud Cost Management's custom costs. Datadog adds up what is uploaded, so a day is replaced: every spendfuse file for
 * that provider and day is deleted first, including those of an interrupted run.
 */
export function createCustomCosts(rest: Rest): CostSink {
  return {
    async replace(vendor, day, lines, earlier) {
      const provider = `${vendor} by spendfuse`;
      try {
        if (earlier !== undefined) await deleteFile(rest, earlier);
        // Whether the API applies the filter is not known, so each file is checked.
        for (const { id, providers, start } of await filesOf(rest, provider)) {
          const ours = providers.length === 1 && providers[0] === provider;
          if (ours && start !== undefined && start >= day && start < day + DAY_MS) await deleteFile(rest, id);
        }
        if (lines.length === 0) return undefined;
        const answer = await rest.ask(
          "PUT",
          ROOT,
          lines.map((line) => itemOf(provider, day, line)),
        );
        return text(object(object(answer)?.data)?.id);
      } catch (error) {
        const { message } = refusalOf(error);
        throw new SpendfuseError(
          "SPENDFUSE_DATADOG",
          `custom costs of ${dateOf(day)} were not taken: ${message}; they need Cloud Cost Management and the permission cloud_cost_management_write`,
          { day },
          error,
        );
      }
    },
  };
}

async function filesOf(rest: Rest, provider: string): Promise<readonly File[]> {
  const files: File[] = [];
  for (let page = 1; ; page++) {
    const query = `page[number]=${page}&page[size]=${PAGE}&filter[provider]=${encodeURIComponent(provider)}`;
    const data = array(object(await rest.ask("GET", `${ROOT}?${query}`))?.data);
    for (const one of data) {
      const { id, attributes } = object(one) ?? {};
      if (typeof id !== "string") continue;
      const { charge_period: period, provider_names: providers } = object(attributes) ?? {};
      const start = object(period)?.start;
      files.push({ id, providers: array(providers), start: typeof start === "number" ? toMs(start) : undefined });
    }
    if (data.length < PAGE) return files;
  }
}

/** A missing file counts as deleted. */
async function deleteFile(rest: Rest, id: string): Promise<void> {
  try {
    await rest.ask("DELETE", `${ROOT}/${encodeURIComponent(id)}`);
  } catch (error) {
    if (refusalOf(error).status !== 404) throw error;
  }
}

function itemOf(provider: string, day: number, { description, usd, tags }: CostLine) {
  return {
    ProviderName: provider,
    ChargeDescription: description.slice(0, 1_000),
    ChargePeriodStart: dateOf(day),
    ChargePeriodEnd: dateOf(day),
    BilledCost: usd,
    BillingCurrency: "USD",
    Tags: { ...tags },
  };
}

/** Whether a period is in seconds or milliseconds is not documented. */
function toMs(time: number): number {
  return time < 1e11 ? time * 1_000 : time;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
