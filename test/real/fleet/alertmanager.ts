import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../../../src/package/root.ts";
import { freePort } from "../../servers/redis.ts";
import { answers, type Program, startProgram } from "./program.ts";

export interface Alertmanager extends Program {
  /** `host:port`, as Prometheus wants it. */
  readonly target: string;
  /** Webhooks that were sent and taken. */
  notifications(): Promise<number>;
}

/** How soon a firing alert is sent again, in place of Alertmanager's 4 hours. */
const REPEATED = "repeat_interval: 5s";

/**
 * Starts Alertmanager with the configuration of docs/prometheus.md: only the breaker's address and the file with the secret
 * are those of the test, and alerts are repeated sooner.
 */
export async function startAlertmanager(
  program: string,
  folder: string,
  breaker: string,
  secret: string,
): Promise<Alertmanager> {
  const target = `127.0.0.1:${await freePort()}`;
  writeFileSync(join(folder, "secret"), secret);
  writeFileSync(join(folder, "alertmanager.yml"), documented(breaker, join(folder, "secret")));
  const args = [
    "--config.file=alertmanager.yml",
    "--storage.path=alerts",
    `--web.listen-address=${target}`,
    "--cluster.listen-address=",
  ];
  const url = `http://${target}`;
  const started = await startProgram(program, args, { cwd: folder, isReady: () => answers(`${url}/-/ready`) });
  return { ...started, target, notifications: () => countNotifications(url) };
}

function documented(breaker: string, secret: string): string {
  const page = readFileSync(join(PACKAGE_ROOT, "docs/prometheus.md"), "utf8");
  const [, config = ""] = /```yaml\n# alertmanager.yml\n(.*?)```/s.exec(page) ?? [];
  const changes = [
    ["https://YOUR-BREAKER", breaker],
    ["/etc/alertmanager/spendfuse-secret", secret],
    ["group_interval: 10s", `group_interval: 5s\n      ${REPEATED}`],
  ] as const;
  for (const [from] of changes) if (!config.includes(from)) throw new Error(`docs/prometheus.md has no ${from}`);
  return changes.reduce((text, [from, to]) => text.replace(from, to), config);
}

async function countNotifications(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const count = (name: string): number =>
    Number(new RegExp(`^alertmanager_${name}\\{integration="webhook"[^}]*\\} (\\d+)`, "m").exec(text)?.[1] ?? 0);
  return count("notifications_total") - count("notifications_failed_total");
}
