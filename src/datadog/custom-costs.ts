import type { CostLine, CostSink } from "../billing/costs.ts";
import { SpendfuseError } from "../core/errors.ts";
import type { MetricName } from "../core/names.ts";
import type { Client } from "./client.ts";
import { refusalOf } from "./rest/refusal.ts";

/** What Datadog makes of the custom costs that are uploaded to Cloud Cost Management, a point a day. */
export const CLOUD_COST: MetricName = {
  name: "custom.cost.amortized",
  unit: "USD",
  kind: "counter",
  description: "Allocated bill, as custom costs",
  attributes: ["providername", "project", "key", "model", "agent", "root_agent", "team", "governed"],
};

const PAGE = 100;
const DAY_MS = 86_400_000;

interface File {
  readonly id: string;
  readonly providers: readonly string[];
  /** Milliseconds since the epoch. */
  readonly start: number | undefined;
}

/**
 * Cloud Cost Management's custom costs. Datadog adds up what is uploaded, so a day is replaced: every spendfuse file for
 * that provider and day is deleted first, including those of an interrupted run.
 */
export function createCustomCosts({ v2, configuration }: Client): CostSink {
  const api = new v2.CloudCostManagementApi(configuration);

  async function filesOf(provider: string): Promise<readonly File[]> {
    const files: File[] = [];
    for (let page = 1; ; page++) {
      const { data = [] } = await api.listCustomCostsFiles({
        pageNumber: page,
        pageSize: PAGE,
        filterProvider: [provider],
      });
      for (const { id, attributes } of data) {
        if (id === undefined) continue;
        const start = attributes?.chargePeriod?.start;
        files.push({
          id,
          providers: attributes?.providerNames ?? [],
          start: start === undefined ? start : toMs(start),
        });
      }
      if (data.length < PAGE) return files;
    }
  }

  /** A missing file counts as deleted. */
  async function deleteFile(fileId: string): Promise<void> {
    try {
      await api.deleteCustomCostsFile({ fileId });
    } catch (error) {
      if (refusalOf(error).status !== 404) throw error;
    }
  }

  return {
    async replace(vendor, day, lines, earlier) {
      const provider = `${vendor} by spendfuse`;
      try {
        if (earlier !== undefined) await deleteFile(earlier);
        // Whether the API applies the filter is not known, so each file is checked.
        for (const { id, providers, start } of await filesOf(provider)) {
          const ours = providers.length === 1 && providers[0] === provider;
          if (ours && start !== undefined && start >= day && start < day + DAY_MS) await deleteFile(id);
        }
        if (lines.length === 0) return undefined;
        const { data } = await api.uploadCustomCostsFile({ body: lines.map((line) => itemOf(provider, day, line)) });
        return data?.id;
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

function itemOf(provider: string, day: number, { description, usd, tags }: CostLine) {
  return {
    providerName: provider,
    chargeDescription: description.slice(0, 1_000),
    chargePeriodStart: dateOf(day),
    chargePeriodEnd: dateOf(day),
    billedCost: usd,
    billingCurrency: "USD",
    tags: { ...tags },
  };
}

/** Whether a period is in seconds or milliseconds is not documented. */
function toMs(time: number): number {
  return time < 1e11 ? time * 1_000 : time;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
