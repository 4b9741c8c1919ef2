import { readDuration } from "../../../core/period.ts";
import { muteGroup } from "../../../datadog/monitor-states.ts";
import { hasKeys, openRest } from "../../../datadog/rest/rest.ts";
import { usage } from "../command.ts";
import type { Changed } from "./desk.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Alerts of other senders have names; Datadog's monitors have numbers. */
const MONITOR = /^\d+$/;

/** `--mute` in milliseconds; undefined without it. @throws SpendfuseError `SPENDFUSE_USAGE` */
export function muteOf({ mute }: { readonly mute?: string }, env: Env): number | undefined {
  if (mute === undefined) return undefined;
  const ms = readDuration(mute);
  if (ms === undefined || ms <= 0) throw usage("--mute must be a time such as 1h");
  if (!hasKeys({ env })) throw usage("--mute needs DD_API_KEY and DD_APP_KEY");
  return ms;
}

/** What a reset did besides, and what its operator should know. */
export function incidentLines(changed: Changed, mutes: boolean): readonly string[] {
  const { scope, also = [], alerting = [], stillOpen = [] } = changed;
  const lines = also.map((other) => `${other}: closed, too: the same agent opened it (--only leaves it)`);
  const monitors = [...new Set(alerting.map(({ monitor }) => monitor))];
  if (monitors.length > 0 && !mutes) {
    const some = monitors.length > 1;
    lines.push(
      `monitor${some ? "s" : ""} ${monitors.join(", ")} still alert${some ? "" : "s"}: the next notification opens the circuit again, within 10 minutes`,
      `mute ${some ? "them" : "it"} for this scope: spendfuse breaker reset ${scope} --mute 1h`,
    );
  }
  if (stillOpen.length > 0) lines.push(`still open: ${stillOpen.join(", ")}`);
  return lines;
}

/** Mutes the monitors that still alert, each for its own scope. Resolves to the exit code. @param until Milliseconds. */
export async function muteAlerting(
  { alerting = [], scope }: Changed,
  env: Env,
  until: number,
  say: (line: string) => void,
): Promise<number> {
  const rest = openRest({ env });
  const end = new Date(until).toISOString();
  let failed = 0;
  if (alerting.length === 0) say(`no monitor is known to alert on ${scope}: nothing is muted`);
  for (const { monitor, scope: group } of alerting) {
    if (!MONITOR.test(monitor)) continue;
    try {
      await muteGroup(rest, monitor, group, Math.floor(until / 1_000));
      say(`monitor ${monitor} is muted for ${group} until ${end}`);
    } catch (error) {
      failed += 1;
      say(`monitor ${monitor} is not muted: ${(error as Error).message}`);
    }
  }
  return failed === 0 ? 0 : 1;
}
