import { HEADERS, PAYLOAD, SECRET_VARIABLE, WEBHOOK_NAME } from "../breaker/template.ts";
import { SpendfuseError } from "../core/errors.ts";
import type { Asset } from "../datadog/assets.ts";
import { HISTORICAL } from "../datadog/deploy/setup.ts";
import type { Account } from "./account.ts";

/** Where the webhook of a sandbox goes. */
export interface WebhookTarget {
  /** The address of a breaker, without a slash at its end. */
  readonly breaker: string;
  readonly secret: string | undefined;
}

const KEYS = { "dd-api-key": "sandbox", "dd-application-key": "sandbox" };

/** Puts into an account what deploy would: dashboards, monitors, the webhook that they name, ingestion of past days. @throws SpendfuseError */
export function preload(account: Account, assets: readonly Asset[], target?: WebhookTarget): void {
  const post = (path: string, body: unknown, file: string): void => {
    const answer = account.handle({ method: "POST", path, query: new URLSearchParams(), headers: KEYS, body });
    if (answer !== undefined && answer.status < 300) return;
    const { errors = [] } = (answer?.body ?? {}) as { errors?: readonly string[] };
    throw new SpendfuseError("SPENDFUSE_USAGE", `${file}: ${errors.join("; ")}`, { file });
  };
  if (target !== undefined) {
    const root = "/api/v1/integration/webhooks/configuration";
    const value = target.secret;
    if (value) post(`${root}/custom-variables`, { name: SECRET_VARIABLE, value, is_secret: true }, "webhook");
    const url = `${target.breaker}/webhooks/datadog`;
    const headers = value ? { custom_headers: HEADERS } : {};
    post(`${root}/webhooks`, { name: WEBHOOK_NAME, url, payload: PAYLOAD, encode_as: "json", ...headers }, "webhook");
  }
  for (const id of HISTORICAL) post("/api/v2/metrics/historical-metrics-configurations", { data: { id } }, id);
  for (const { kind, json, file } of assets) post(`/api/v1/${kind}`, json, file);
}
