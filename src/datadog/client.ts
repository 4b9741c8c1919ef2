import { setTimeout as wait } from "node:timers/promises";
import type * as Datadog from "@datadog/datadog-api-client";
import { SpendfuseError } from "../core/errors.ts";
import { findAppPackage } from "../package/from-app.ts";
import { persistentFetch } from "./rest/persistent-fetch.ts";

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
  const { apiKey, appKey } = readKeys(env, needsAppKey);
  const found = await findAppPackage<typeof Datadog>(NAME, "v1", user);
  const { client, v1, v2 } = found;
  // It logs what it also throws, and a warning for each operation that it calls unstable.
  found.logger?.setLevel?.("silent");
  const authMethods = { apiKeyAuth: apiKey, ...(appKey && { appKeyAuth: appKey }) };
  const { server, app } = serverOf(env);
  const configuration = client.createConfiguration({
    serverIndex: server.index,
    authMethods,
    fetch: persistentFetch(sleep, env),
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
      throw new SpendfuseError(
        "SPENDFUSE_CONFIG",
        "SPENDFUSE_DD_API_URL must be an http or https address, such as http://127.0.0.1:4318",
      );
    return {
      server: { index: 1, variables: { name: url.host, protocol: url.protocol.slice(0, -1) } },
      app: url.origin,
    };
  }
  const site = env.DD_SITE?.trim().toLowerCase() || "datadoghq.com";
  // The keys go to this host, so it must be a host name and nothing else.
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(site))
    throw new SpendfuseError("SPENDFUSE_CONFIG", "DD_SITE must be a site such as datadoghq.com or us5.datadoghq.com");
  const app = site.split(".").length > 2 ? `https://${site}` : `https://app.${site}`;
  return { server: { index: 1, variables: { name: `api.${site}`, protocol: "https" } }, app };
}

/** The keys of an account. @throws SpendfuseError `SPENDFUSE_CONFIG` */
export function readKeys(
  env: ClientOptions["env"],
  needsAppKey: boolean,
): { readonly apiKey: string; readonly appKey: string | undefined } {
  const missing = missingKeys(env, needsAppKey);
  if (missing.length > 0) {
    const message = `${missing.join(" and ")} must be set: keys of your Datadog organization (Organization Settings)`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { missing });
  }
  const { apiKey = "", appKey } = keysOf(env);
  return { apiKey, appKey };
}

/** The names of the variables that are not set. */
export function missingKeys(env: ClientOptions["env"], needsAppKey: boolean): readonly string[] {
  const { apiKey, appKey } = keysOf(env);
  return [...(apiKey ? [] : ["DD_API_KEY"]), ...(appKey || !needsAppKey ? [] : ["DD_APP_KEY"])];
}

function keysOf(env: ClientOptions["env"]): {
  readonly apiKey: string | undefined;
  readonly appKey: string | undefined;
} {
  return {
    apiKey: env.DD_API_KEY?.trim() || undefined,
    appKey: env.DD_APP_KEY?.trim() || env.DD_APPLICATION_KEY?.trim() || undefined,
  };
}
