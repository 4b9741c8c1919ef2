import { setTimeout as wait } from "node:timers/promises";
import type * as Datadog from "@datadog/datadog-api-client";
import { SpendfuseError } from "../core/errors.ts";
import { findAppPackage } from "../package/from-app.ts";

/** Datadog's own client, and its APIs that are used here. */
export interface Client {
  readonly v1: typeof Datadog.v1;
  readonly v2: typeof Datadog.v2;
  readonly configuration: ReturnType<typeof Datadog.client.createConfiguration>;
  /** The address of the web app: `https://app.<site>`. */
  readonly app: string;
}

export interface ClientOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly user: string;
  /** False when points are only sent, which needs no application key. Default true. */
  readonly needsAppKey?: boolean;
  /** Waits between tries, in milliseconds. */
  readonly sleep?: (ms: number) => Promise<unknown>;
}

const NAME = "@datadog/datadog-api-client";
const TIMEOUT_MS = 30_000;
const TRIES = 5;
const MAX_WAIT_MS = 60_000;
const UNSTABLE = [
  "v2.createHistoricalMetricsConfiguration",
  "v2.getHistoricalMetricsConfiguration",
  "v2.deleteHistoricalMetricsConfiguration",
];

/** The client as it is installed in the app; undefined when it is not. */
export async function findClient(user: string): Promise<typeof Datadog | undefined> {
  try {
    return await findAppPackage<typeof Datadog>(NAME, "v1", user);
  } catch (error) {
    if (error instanceof SpendfuseError && error.code === "SPENDFUSE_MISSING_PACKAGE") return undefined;
    throw error;
  }
}

/**
 * Opens the client for the account that DD_API_KEY, DD_APP_KEY and DD_SITE name, or SPENDFUSE_DD_API_URL.
 * @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE`, or `SPENDFUSE_CONFIG` when a key is missing.
 */
export async function openClient({ env, user, needsAppKey = true, sleep = wait }: ClientOptions): Promise<Client> {
  const apiKey = env.DD_API_KEY?.trim();
  const appKey = env.DD_APP_KEY?.trim() || env.DD_APPLICATION_KEY?.trim();
  const missing = [...(apiKey ? [] : ["DD_API_KEY"]), ...(appKey || !needsAppKey ? [] : ["DD_APP_KEY"])];
  if (missing.length > 0) {
    const message = `${missing.join(" and ")} must be set: keys of your Datadog organization (Organization Settings)`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { missing });
  }
  const found = await findAppPackage<typeof Datadog>(NAME, "v1", user);
  const { client, v1, v2 } = found;
  // It logs what it also throws, and a warning for each operation that it calls unstable.
  found.logger?.setLevel?.("silent");
  const authMethods = { apiKeyAuth: apiKey as string, ...(appKey && { appKeyAuth: appKey }) };
  const { server, app } = serverOf(env);
  const configuration = client.createConfiguration({
    serverIndex: server.index,
    authMethods,
    fetch: persistentFetch(sleep),
    isIaC: true,
  });
  configuration.setServerVariables(server.variables);
  for (const operation of UNSTABLE) configuration.unstableOperations[operation] = true;
  return { v1, v2, configuration, app };
}

/**
 * The origin of the API that DD_SITE names, or SPENDFUSE_DD_API_URL.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when neither can be used.
 */
export function apiOrigin(env: ClientOptions["env"]): string {
  return addressesOf(env).origin;
}

/** That origin, and the address of the web app. @throws SpendfuseError `SPENDFUSE_CONFIG` as {@link apiOrigin} */
export function addressesOf(env: ClientOptions["env"]): { readonly origin: string; readonly app: string } {
  const { server, app } = serverOf(env);
  return { origin: `${server.variables.protocol}://${server.variables.name}`, app };
}

function serverOf(env: ClientOptions["env"]): {
  readonly server: { readonly index: number; readonly variables: Record<string, string> };
  readonly app: string;
} {
  const own = env.SPENDFUSE_DD_API_URL?.trim();
  if (own) {
    const url = URL.parse(own);
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new SpendfuseError("SPENDFUSE_CONFIG", "SPENDFUSE_DD_API_URL is not an http or https address");
    return {
      server: { index: 1, variables: { name: url.host, protocol: url.protocol.slice(0, -1) } },
      app: url.origin,
    };
  }
  const site = env.DD_SITE?.trim().toLowerCase() || "datadoghq.com";
  // The keys go to this host, so it must be a host name and nothing else.
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(site))
    throw new SpendfuseError("SPENDFUSE_CONFIG", "DD_SITE is not a site such as datadoghq.com or us5.datadoghq.com");
  const app = site.split(".").length > 2 ? `https://${site}` : `https://app.${site}`;
  return { server: { index: 1, variables: { name: `api.${site}`, protocol: "https" } }, app };
}

/**
 * A fetch that times out after 30 seconds and retries: every request after a
 * 429, and idempotent ones after a 5xx or a broken connection. It never rejects.
 */
function persistentFetch(sleep: NonNullable<ClientOptions["sleep"]>) {
  return async (url: string, options: RequestInit): Promise<Response> => {
    for (let attempt = 1; ; attempt += 1) {
      const response = await tryOnce(url, options);
      const limited = response.status === 429;
      const again = limited || (response.status >= 500 && options.method !== "POST");
      if (!again || attempt >= TRIES) return response;
      await response.body?.cancel();
      await sleep(waitOf(response, attempt));
    }
  };
}

async function tryOnce(url: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    const why = `no answer from ${new URL(url).host}: ${cause?.code ?? cause?.message ?? message}`;
    return new Response(JSON.stringify({ errors: [why] }), {
      status: 599,
      headers: { "content-type": "application/json" },
    });
  }
}

function waitOf({ status, headers }: Response, attempt: number): number {
  const reset = headers.get("x-ratelimit-reset");
  if (status === 429 && reset !== null && Number.isFinite(Number(reset)))
    return Math.min(Math.max(Number(reset) * 1_000, 0), MAX_WAIT_MS);
  return Math.min(500 * 2 ** attempt, MAX_WAIT_MS);
}

/** A request that Datadog rejected. `status` is absent when it was never sent. */
export interface Refusal {
  readonly status: number | undefined;
  readonly message: string;
}

export function refusalOf(error: unknown): Refusal {
  const { code, body } = error as { code?: unknown; body?: { errors?: unknown } };
  if (typeof code !== "number")
    return { status: undefined, message: error instanceof Error ? error.message : String(error) };
  const reason = Array.isArray(body?.errors) ? body.errors.join("; ") : "no reason given";
  const message =
    code === 403
      ? `403 ${reason}: check that DD_API_KEY and DD_APP_KEY are valid, that the application key may write monitors, dashboards and integrations, and that DD_SITE is their site`
      : code === 599
        ? reason
        : `${code} ${reason}`;
  return { status: code, message };
}
