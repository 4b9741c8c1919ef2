import { cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { APPS, installedApp, QUIET } from "../apps/installed.ts";
import { run } from "./processes.ts";

/** Projects with dependencies that spendfuse must install beside, each with a program of its own. */
export const BESIDE = ["otel-2", "google-adk", "mistral", "dd-trace"] as const;
/** Apps of `examples/` whose trees are too heavy for the one that the other examples share. */
export const APART = ["next", "nest", "bun"] as const;
export type Project = "empty" | "examples" | (typeof APART)[number] | (typeof BESIDE)[number];

/** A new directory for projects. No directory around it holds packages: Node would find there what ours is missing. */
export function makeHome(): string {
  const base = [tmpdir(), "/var/tmp", homedir()].find((path) => existsSync(path) && isBare(path));
  if (base === undefined) throw new Error(`A node_modules around ${tmpdir()} would hide what the tarball lacks`);
  return mkdtempSync(join(base, "spendfuse-pack-"));
}

function isBare(path: string): boolean {
  if (existsSync(join(path, "node_modules"))) return false;
  return dirname(path) === path || isBare(dirname(path));
}

/** Makes a project, as its lockfile pins it, and installs the tarball into it as a user would: peer ranges and all. */
export async function install(project: Project, tarball: string, dir: string): Promise<string> {
  mkdirSync(dir, { recursive: true });
  if (project === "empty") writeFileSync(join(dir, "package.json"), '{ "private": true }');
  else cpSync(await installedApp(project), dir, { recursive: true, verbatimSymlinks: true });
  cpSync(join(APPS, "programs"), dir, { recursive: true });
  await run("npm", ["install", "--ignore-scripts", ...QUIET, tarball], { cwd: dir });
  return dir;
}

/**
 * Lays the Jest app into a folder of `project`, where spendfuse is installed: Node and Jest find it in the folder above.
 * Returns the folder.
 */
export async function layJest(project: string): Promise<string> {
  const kept = await installedApp("jest");
  const dir = join(project, "jest");
  cpSync(join(APPS, "jest"), dir, { recursive: true, filter: (path) => !path.endsWith("node_modules") });
  cpSync(join(APPS, "programs/report.cjs"), join(dir, "report.cjs"));
  symlinkSync(join(kept, "node_modules"), join(dir, "node_modules"));
  return dir;
}

/** The binary of another version of Node; its package's install script must run, which fetches the binary as a package. */
export async function otherNode(app: "node-22" | "node-24"): Promise<string> {
  return join(await installedApp(app, { scripts: true }), "node_modules/node/bin/node");
}
