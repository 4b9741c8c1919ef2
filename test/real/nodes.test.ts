import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { needApp } from "../apps/installed.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Suites that meet Node itself, and those that all else is built on. */
const CORE = [
  "test/meter/transports/fetch",
  "test/meter/call",
  "test/meter/tracing",
  "test/core",
  "test/limits",
  "test/pricing",
];

/**
 * The releases on which the tests do not run otherwise. On 22.15 not all can: its own fetch takes a body that was cut for
 * whole, it does not tell of `node:http2`, and the programs that tests start are run there only with a flag.
 */
const NODES = [
  { name: "Node 22.15", app: "node-22", flags: "--experimental-strip-types --no-warnings", suites: CORE },
  { name: "Node 24", app: "node-24", flags: "", suites: [] },
] as const;

/** On a machine that does something else as well. */
const LIMIT_MS = 20 * 60_000;

test.for(NODES)("the suite on $name", { timeout: LIMIT_MS }, async ({ name, app, flags, suites }, context) => {
  const project = await needApp(context, app, { scripts: true });
  const node = join(project, "node_modules/node/bin/node");
  const { code, out } = await run(node, ["node_modules/vitest/vitest.mjs", "run", "--project=!real", ...suites], {
    PATH: `${dirname(node)}:${process.env.PATH}`,
    NODE_OPTIONS: flags,
  });
  for (const line of out.split("\n"))
    if (/ right | as without us|^\d+ passed/.test(line)) console.log(`${name}: ${line}`);
  expect({ code, out: code === 0 ? "" : out.slice(-20_000) }).toEqual({ code: 0, out: "" });
});

function run(
  node: string,
  args: readonly string[],
  more: Record<string, string>,
): Promise<{ code: number | null; out: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...more };
  // This run's own.
  for (const key of Object.keys(env)) if (/^VITEST|^TEST$|^NODE_ENV$/.test(key)) delete env[key];
  const child = spawn(node, args, { cwd: ROOT, env });
  let out = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (out += text));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out })));
}
