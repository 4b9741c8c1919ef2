import { randomUUID } from "node:crypto";
import {
  type AccountAnswer,
  type AccountRequest,
  type Body,
  isBody,
  noContent,
  okJsonApi,
  refuseJsonApi,
} from "./answer.ts";

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
const REQUIRED = [
  "Tags",
  "ProviderName",
  "ChargeDescription",
  "ChargePeriodStart",
  "ChargePeriodEnd",
  "BilledCost",
  "BillingCurrency",
];
const STATUSES = new Set(["active", "inactive", "archived", "deleted", "ACTIVE", "INACTIVE", "ARCHIVED", "DELETED"]);
const MAX_TEXT = 1_000;
const MAX_FILES = 5_000;

/** @param now seconds */
export function createCustomCosts(now: () => number): CustomCosts {
  const files = new Map<string, CustomCostFile>();

  function upload(body: unknown): AccountAnswer {
    if (!Array.isArray(body) || body.length === 0) return refuseJsonApi(400, "the body must be a list of cost lines");
    const refused = refuseLine(body, now());
    if (refused !== undefined) return refused;
    if (files.size >= MAX_FILES) return refuseJsonApi(400, `the sandbox keeps ${MAX_FILES} files at most`);
    const file = { id: randomUUID(), lines: body as CustomCostLine[], uploadedAt: now() * 1_000 };
    files.set(file.id, file);
    return okJsonApi({ data: show(file) }, 202);
  }

  function list(query: URLSearchParams): AccountAnswer {
    const status = query.get("filter[status]");
    if (status !== null && !STATUSES.has(status)) return refuseJsonApi(400, `unknown status, got ${status}`);
    const providers = query.getAll("filter[provider]").flatMap((text) => text.split(","));
    const size = Number(query.get("page[size]") ?? 100);
    const first = (Number(query.get("page[number]") ?? 1) - 1) * size;
    const found = [...files.values()].filter(
      ({ lines }) => providers.length === 0 || lines.some(({ ProviderName }) => providers.includes(ProviderName)),
    );
    const page = found.slice(first, first + size);
    return okJsonApi({ data: page.map(show), meta: { total_filtered_count: found.length, version: "1.0" } });
  }

  return {
    get files() {
      return [...files.values()];
    },
    handle({ method, query, body }, id) {
      if (id === "") return method === "PUT" ? upload(body) : method === "GET" ? list(query) : undefined;
      const file = files.get(decodeURIComponent(id));
      if (file === undefined) return refuseJsonApi(404);
      if (method === "GET") return okJsonApi({ data: show(file) });
      if (method !== "DELETE") return undefined;
      files.delete(file.id);
      return { ...noContent(), headers: { "content-type": "application/vnd.api+json" } };
    },
  };
}

/** The refusal of the first line that is at fault, with its place in the body. */
function refuseLine(body: readonly unknown[], now: number): AccountAnswer | undefined {
  let start = 1;
  for (const [index, line] of body.entries()) {
    const end = start + JSON.stringify(line).length;
    const missing = isBody(line) ? REQUIRED.filter((name) => line[name] === undefined || line[name] === null) : [];
    const faults = missing.map((name) => `${name} is a required field`);
    const fault = faults.length > 0 ? faults.join("\n") : faultOf(line, now);
    if (fault !== undefined)
      return refuseJsonApi(400, `errors in object ${index}:\n${fault}`, { end, obj: index, start });
    start = end + 1;
  }
  return undefined;
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
    type: "cost_metadata",
    attributes: {
      name: "data.json",
      billed_cost: lines.reduce((sum, { BilledCost }) => sum + BilledCost, 0),
      billing_currency: "USD",
      charge_period: { start: Math.min(...starts), end: Math.max(...ends) },
      provider_names: [...new Set(lines.map(({ ProviderName }) => ProviderName))],
      status: "ACTIVE",
      uploaded_at: uploadedAt,
      uploaded_by: { name: "Sandbox", icon: "", email: "sandbox@example.com" },
    },
  };
}
