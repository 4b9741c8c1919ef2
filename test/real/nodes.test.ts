import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { needApp } from "../apps/installed.ts";

const ROOT = join(import.meta.dirname, "../..");

/** The long-term releases that run no tests otherwise, and what they need to run the sources as they are. */
const NODES = [
  { name: "Node 22.15", app: "node-22", flags: "--experimental-strip-types --no-warnings" },
  { name: "Node 24", app: "node-24", flags: "" },
] as const;

/** On a machine that does something else as well. */
const LIMIT_MS = 20 * 60_000;

test.for(NODES)("the whole suite on $name", { timeout: LIMIT_MS }, async ({ name, app, flags }, context) => {
  const project = await needApp(context, app, { scripts: true });
  const node = join(project, "node_modules/node/bin/node");
  const { code, out } = await run(node, ["node_modules/vitest/vitest.mjs", "run", "--project=!real"], {
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
