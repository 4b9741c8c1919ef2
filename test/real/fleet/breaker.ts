import { join } from "node:path";
import { run } from "../../package/processes.ts";
import type { Stage } from "../../package/stage.ts";
import { type Program, startProgram } from "./program.ts";

export interface Circuit {
  readonly scope: string;
  readonly state: string;
  readonly until: number;
  readonly by: string;
}

export interface Breaker extends Program {
  readonly url: string;
  /** Those that are not closed. */
  circuits(): Promise<readonly Circuit[]>;
}

const cli = (stage: Stage): string => join(stage.dir, "empty/node_modules/spendfuse/dist/cli/main.js");

/** Starts `spendfuse breaker` of the tarball, with a store on disk. */
export async function startBreaker(stage: Stage, folder: string, secret: string): Promise<Breaker> {
  const store = `file:${join(folder, "circuits.db")}`;
  const program = await startProgram(process.execPath, [cli(stage), "breaker", "--port", "0", "--store", store], {
    cwd: folder,
    env: { SPENDFUSE_WEBHOOK_SECRET: secret, SPENDFUSE_STATE_DIR: join(folder, "breaker-state") },
    isReady: (output) => output.includes("listens on"),
  });
  const [, url = ""] = /listens on (http:\S+?);/.exec(program.output()) ?? [];
  return { ...program, url, circuits: () => circuitsAt(url) };
}

async function circuitsAt(url: string): Promise<readonly Circuit[]> {
  const answer = await fetch(`${url}/circuits`);
  if (!answer.ok) throw new Error(`GET /circuits: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { readonly circuits: readonly Circuit[] }).circuits;
}

/** Writes the rules that `spendfuse deploy --to grafana` makes of one monitor, with a limit in dollars. */
export async function writeRules(stage: Stage, folder: string, monitor: string, setting: string): Promise<string> {
  const args = [cli(stage), "deploy", "--to", "grafana", folder, "--only", monitor, "--set", setting];
  await run(process.execPath, args, { cwd: folder });
  return join(folder, "rules/spendfuse.yml");
}
