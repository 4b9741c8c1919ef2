import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";
import { untilArrived } from "./leftovers.ts";
import { run } from "./processes.ts";
import type { Program } from "./programs.ts";
import { install, makeHome, otherNode, type Project } from "./projects.ts";
import { pack, type Tarball } from "./tarball.ts";
import { SPENT, startVendor } from "./vendor.ts";

/** The packed tarball, projects with it installed, and the servers that their programs talk to. */
export interface Stage {
  /** Holds a folder for each project, by its name. */
  readonly dir: string;
  readonly tarball: Tarball;
  readonly vendor: Awaited<ReturnType<typeof startVendor>>;
  readonly receiver: OtlpReceiver;
  readonly stateDir: string;
  /** A line for each program that was right. */
  readonly rows: string[];
  /** Programs that were run. */
  agents: number;
}

export async function setStage(projects: readonly Project[]): Promise<Stage> {
  const dir = makeHome();
  const tarball = await pack(join(dir, "checkout"));
  // All at once: npm waits more than it works.
  await Promise.all(projects.map((project) => install(project, tarball.path, join(dir, project))));
  const [vendor, receiver] = await Promise.all([startVendor(), startOtlpReceiver()]);
  return { dir, tarball, vendor, receiver, stateDir: join(dir, "state"), rows: [], agents: 0 };
}

export async function clearStage({ dir, vendor, receiver, rows, agents }: Stage): Promise<void> {
  const result = `${rows.length} of ${agents} programs metered once, exported, and ended as without us`;
  if (agents > 0) console.log([...rows, result].join("\n"));
  await Promise.all([vendor.close(), receiver.close()]);
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}

/** The environment of a program. */
export function environmentOf(
  { vendor, receiver, stateDir }: Stage,
  agent: string,
  provider = "openai",
): Record<string, string> {
  return {
    MODEL_URL: vendor.url,
    GOOGLE_GEMINI_BASE_URL: vendor.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    SPENDFUSE_STATE_DIR: stateDir,
    TEST_AGENT: agent,
    DD_TRACE_AGENT_URL: vendor.url,
    // Without it the stand-in is a local server, which has no cloud's price.
    SPENDFUSE_QUIET: "1",
    SPENDFUSE_CONFIG: JSON.stringify({ hosts: [{ host: new URL(vendor.url).host, provider }] }),
    DD_INSTRUMENTATION_TELEMETRY_ENABLED: "false",
  };
}

/** A version of Node. */
export interface Node {
  readonly name: string;
  /** Installs it where it is not this one, and resolves to its binary. */
  readonly find: () => Promise<string>;
}

/** The one that runs the tests. */
const THIS_NODE: Node = { name: "Node 26", find: async () => process.execPath };

/** The oldest Node that we run on, and the long-term releases. */
export const NODES: readonly Node[] = [
  { name: "Node 22.15", find: () => otherNode("node-22") },
  { name: "Node 24", find: () => otherNode("node-24") },
  THIS_NODE,
];

/** Runs programs in a project; the failures of all are reported together. */
export async function meterAll(
  stage: Stage,
  project: Project,
  programs: readonly Program[],
  node = THIS_NODE,
): Promise<void> {
  const failed: string[] = [];
  for (const program of programs) {
    await meter(stage, project, program, node).catch((error: Error) =>
      failed.push(`${program.name}: ${error.message}`),
    );
  }
  expect(failed.join("\n\n")).toBe("");
}

/** Runs a program against the vendor: what it printed and what it exported must both be what it spent. */
async function meter(stage: Stage, project: Project, program: Program, node: Node): Promise<void> {
  const { dir, receiver, stateDir } = stage;
  const agent = `agent-${++stage.agents}`;
  const out = await run(await node.find(), program.args, {
    cwd: program.dir ?? join(dir, project),
    code: program.code ?? 0,
    env: { ...environmentOf(stage, agent, program.provider), ...(!program.scoped && { SPENDFUSE_AGENT: agent }) },
  });
  if (program.code === undefined) {
    const line = out.trim().split("\n").at(-1)!;
    expect(JSON.parse(line), out).toEqual({ ...SPENT, priced: SPENT.calls, agent });
  }
  const exported = program.own ? { calls: 0, tokens: 0 } : { calls: SPENT.calls, tokens: SPENT.input + SPENT.output };
  const hasArrived = () => receiver.total("spendfuse.calls", { agent }) === exported.calls;
  await untilArrived(stateDir, hasArrived, () => startNext(stage, project));
  expect(receiver.total("spendfuse.tokens", { agent })).toBe(exported.tokens);
  stage.rows.push(`${project} | ${node.name} | ${program.name} | exit code ${program.code ?? 0}`);
}

/** Starts one more program, which sends what earlier ones have left. */
function startNext(stage: Stage, project: Project): Promise<string> {
  return run(process.execPath, ["imports.mjs"], {
    cwd: join(stage.dir, project),
    env: environmentOf(stage, "next-start"),
  });
}
