/** Webhooks as Alertmanager sends them, version 4. */
export const STARTED: number = Date.parse("2026-11-27T19:50:52.146Z");

export interface AlertFields {
  readonly labels?: object;
  readonly [field: string]: unknown;
}

/** A firing alert of the agent `researcher` that may open a circuit. */
export function alert({ labels = { agent: "researcher" }, ...fields }: AlertFields): object {
  return {
    status: "firing",
    labels: { alertname: "AgentHourlySpend", breaker: "on", severity: "page", ...labels },
    annotations: { summary: "Agent researcher spent $21" },
    startsAt: new Date(STARTED).toISOString(),
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: "http://prometheus:9090/graph?g0.expr=x",
    fingerprint: "4e028377049d44dd",
    ...fields,
  };
}

export function webhook(alerts: readonly object[]): object {
  return { receiver: "breaker", status: "firing", alerts, version: "4", groupKey: "{}:{}", truncatedAlerts: 0 };
}
