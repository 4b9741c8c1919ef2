import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Whether promtool is here. In CI it has to be. */
export function hasPromtool(): boolean {
  if (spawnSync("promtool", ["--version"]).status === 0) return true;
  const message = "promtool is not installed: the tests of Prometheus rules do not run (apt-get install prometheus)";
  if (process.env.CI === "true") throw new Error(message);
  console.warn(message);
  return false;
}

/** Runs promtool on a file. Returns its exit code and all that it said. */
export function promtool(...args: string[]): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync("promtool", args, { encoding: "utf8", timeout: 280_000 });
  return { code: status, said: `${stdout}${stderr}` };
}

/** A test of rules, as `promtool test rules` reads it. JSON is YAML. */
export function testRules(folder: string, rules: string, tests: readonly object[], interval: string): string {
  const file = join(folder, "test.json");
  writeFileSync(file, JSON.stringify({ rule_files: [rules], evaluation_interval: interval, tests }));
  const { code, said } = promtool("test", "rules", file);
  return code === 0 ? "" : said;
}
