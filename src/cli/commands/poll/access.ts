import type { CostSink } from "../../../billing/costs.ts";
import type { PointSink } from "../../../billing/points.ts";
import type { VendorAccess } from "../../../billing/round.ts";
import type { MeteredSource } from "../../../billing/settle.ts";
import * as registry from "../../../billing/vendors/registry.ts";
import type { Vendor } from "../../../billing/vendors/vendor.ts";
import type { Config } from "../../../config/config.ts";
import { SpendfuseError } from "../../../core/errors.ts";
import { openClient } from "../../../datadog/client.ts";
import { createCustomCosts } from "../../../datadog/custom-costs.ts";
import { createMeteredQuery } from "../../../datadog/metered-query.ts";
import { openRest } from "../../../datadog/rest/rest.ts";
import { createSeriesSink } from "../../../datadog/series-sink.ts";
import { readOtel } from "../../../meter/export/endpoint.ts";
import { createOtlpSink } from "../../../process/otlp-sink.ts";
import { isSharedStore } from "../../../stores/addresses.ts";
import { openStore } from "../../../stores/open.ts";
import type { Store } from "../../../stores/store.ts";

export const VENDORS: readonly Vendor[] = Object.values(registry);
const DEFAULT_DB = "spendfuse-bill.db";

/** The file of the vendors' rows: the option, the environment, the configuration, or the default. */
export function bookPath(given: string | undefined, { env, billing }: Config): string {
  return given ?? (env.SPENDFUSE_BILL?.trim() || billing?.db || DEFAULT_DB);
}

/**
 * The vendors whose keys are set.
 * @throws SpendfuseError `SPENDFUSE_USAGE` for an unknown name, `SPENDFUSE_CONFIG` when a key is missing.
 */
export function readVendors(only: readonly string[] | undefined, { env }: Config): readonly VendorAccess[] {
  for (const name of only ?? []) {
    if (VENDORS.some((vendor) => vendor.name === name)) continue;
    const names = VENDORS.map((vendor) => vendor.name).join(", ");
    throw new SpendfuseError("SPENDFUSE_USAGE", `there is no vendor "${name}". There are: ${names}`, { vendor: name });
  }
  const wanted = VENDORS.filter(({ name }) => only === undefined || only.includes(name));
  const found = wanted.flatMap((vendor) => {
    const key = env[vendor.variable]?.trim();
    return key ? [{ vendor, key, url: env[vendor.urlVariable]?.trim() || undefined }] : [];
  });
  const missing = only === undefined ? [] : wanted.filter((vendor) => !found.some((one) => one.vendor === vendor));
  if (found.length > 0 && missing.length === 0) return found;
  const needed = (missing.length > 0 ? missing : wanted).map(({ variable, needs }) => `${variable}: ${needs}`);
  throw new SpendfuseError("SPENDFUSE_CONFIG", `no vendor's key is set. Set one of these:\n  ${needed.join("\n  ")}`);
}

/** The source of metered spend. */
export interface Metered {
  readonly source: MeteredSource | undefined;
  /** The agents' store, in which late calls settle; undefined without one. */
  readonly store: Store | undefined;
  close(): Promise<void>;
}

/** Our own store if it outlives its processes, else Datadog. */
export async function openMetered({ store, env }: Config): Promise<Metered> {
  if (store !== undefined && isSharedStore(store)) {
    const opened = await openStore(store);
    return {
      source: async (from, until) => opened.metered(from, until),
      store: opened,
      close: async () => opened.close(),
    };
  }
  const close = async (): Promise<void> => {};
  if (!env.DD_API_KEY?.trim() || !(env.DD_APP_KEY ?? env.DD_APPLICATION_KEY)?.trim())
    return { source: undefined, store: undefined, close };
  const client = await openClient({ env, user: "reading what was metered" });
  return { source: createMeteredQuery(client), store: undefined, close };
}

/** Datadog if its key is set, else the OTLP endpoint of the environment; may be empty. */
export async function openSinks({ env }: Config): Promise<readonly PointSink[]> {
  if (env.DD_API_KEY?.trim()) {
    return [createSeriesSink(await openClient({ env, user: "publishing the bill", needsAppKey: false }))];
  }
  const { endpoint, resource } = readOtel(env);
  return endpoint.metrics === undefined ? [] : [createOtlpSink(endpoint, { "service.name": "spendfuse", ...resource })];
}

export async function openCosts(asked: boolean | undefined, { env, billing }: Config): Promise<CostSink | undefined> {
  if (!(asked ?? billing?.customCosts)) return undefined;
  return createCustomCosts(openRest({ env }));
}
