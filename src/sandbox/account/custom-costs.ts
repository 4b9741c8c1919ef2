import { randomUUID } from "node:crypto";
import { type AccountAnswer, type AccountRequest, type Body, isBody, ok, refuse } from "./answer.ts";

/** An upload of Cloud Cost Management's custom costs. */
export interface CustomCostFile {
  readonly id: string;
  readonly lines: readonly CustomCostLine[];
  /** Milliseconds since the epoch. */
  readonly uploadedAt: number;
}

export interface CustomCostLine {
  readonly ProviderName: string;
  readonly ChargeDescription: string;
  readonly ChargePeriodStart: string;
  readonly ChargePeriodEnd: string;
  readonly BilledCost: number;
  readonly BillingCurrency: string;
  readonly Tags?: Readonly<Record<string, string>>;
}

export interface CustomCosts {
  readonly files: readonly CustomCostFile[];
  /** @param id what follows the path of all files */
  handle(request: AccountRequest, id: string): AccountAnswer | undefined;
}

const TEXTS = ["ProviderName", "ChargeDescription", "ChargePeriodStart", "ChargePeriodEnd", "BillingCurrency"] as const;
const MAX_TEXT = 1_000;
const MAX_FILES = 5_000;

/** @param now seconds */
export function createCustomCosts(now: () => number): CustomCosts {
  const files = new Map<string, CustomCostFile>();

  function upload(body: unknown): AccountAnswer {
    if (!Array.isArray(body) || body.length === 0) return refuse(400, "the body must be a list of cost lines");
    const faults = body.flatMap((line, index) => {
      const fault = faultOf(line, now());
      return fault === undefined ? [] : [`line ${index + 1}: ${fault}`];
    });
    if (faults.length > 0) return refuse(400, ...faults.slice(0, 10));
    if (files.size >= MAX_FILES) return refuse(400, `the sandbox keeps ${MAX_FILES} files at most`);
    const file = { id: randomUUID(), lines: body as CustomCostLine[], uploadedAt: now() * 1_000 };
    files.set(file.id, file);
    return ok({ data: show(file) }, 202);
  }

  function list(query: URLSearchParams): AccountAnswer {
    const providers = query.getAll("filter[provider]").flatMap((text) => text.split(","));
    const size = Number(query.get("page[size]") ?? 100);
    const first = (Number(query.get("page[number]") ?? 1) - 1) * size;
    const found = [...files.values()].filter(
      ({ lines }) => providers.length === 0 || lines.some(({ ProviderName }) => providers.includes(ProviderName)),
    );
    const page = found.slice(first, first + size);
    return ok({ data: page.map(show), meta: { total_filtered_count: found.length, version: "1" } });
  }

  return {
    get files() {
      return [...files.values()];
    },
    handle({ method, query, body }, id) {
      if (id === "") return method === "PUT" ? upload(body) : method === "GET" ? list(query) : undefined;
      const file = files.get(decodeURIComponent(id));
      if (file === undefined) return refuse(404, "no such file");
      if (method === "GET") return ok({ data: show(file) });
      if (method !== "DELETE") return undefined;
      files.delete(file.id);
      return { status: 204 };
    },
  };
}

function faultOf(line: unknown, now: number): string | undefined {
  if (!isBody(line)) return "must be an object";
  for (const name of TEXTS) {
    const value = line[name];
    if (typeof value !== "string" || value.trim() === "") return `${name} must be a text`;
    if (value.length > MAX_TEXT) return `${name} has more than ${MAX_TEXT} characters`;
  }
  if (typeof line.BilledCost !== "number") return "BilledCost must be a number";
  if (line.BillingCurrency !== "USD") return "BillingCurrency must be USD";
  const today = new Date(now * 1_000).toISOString().slice(0, 10);
  for (const name of ["ChargePeriodStart", "ChargePeriodEnd"] as const) {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(String(line[name]))) return `${name} must be a day`;
    if (String(line[name]) > today) return `${name} is in the future`;
  }
  const tags = Object.values((line.Tags ?? {}) as Body);
  return tags.every((tag) => typeof tag === "string" && tag !== "") ? undefined : "Tags must be non-empty strings";
}

function show({ id, lines, uploadedAt }: CustomCostFile): Body {
  const starts = lines.map(({ ChargePeriodStart }) => Date.parse(ChargePeriodStart));
  const ends = lines.map(({ ChargePeriodEnd }) => Date.parse(ChargePeriodEnd));
  return {
    id,
    type: "Uploaded File",
    attributes: {
      name: `${id}.json`,
      billed_cost: lines.reduce((sum, { BilledCost }) => sum + BilledCost, 0),
      billing_currency: "USD",
      charge_period: { start: Math.min(...starts), end: Math.max(...ends) },
      provider_names: [...new Set(lines.map(({ ProviderName }) => ProviderName))],
      status: "active",
      uploaded_at: uploadedAt,
    },
  };
}
