import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { installedApp } from "../meter/identity/frameworks/installed.ts";
import { run } from "./processes.ts";
import { ROOT } from "./tarball.ts";

const APPS = join(ROOT, "test/apps");
const QUIET = ["--no-audit", "--no-fund", "--prefer-offline"];

/** Projects that spendfuse must install beside; but for the empty one, each with a program of the framework's own. */
export const PROJECTS = ["empty", "otel-2", "google-adk", "mistral", "dd-trace"] as const;
export type Project = (typeof PROJECTS)[number];

interface Lockfile {
  readonly packages: { readonly "node_modules/node": { readonly version: string } };
}

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

/** Installs a project as its lockfile says, and the tarball into it as a user would: peer ranges and all. */
export async function install(project: Project, tarball: string, dir: string): Promise<string> {
  mkdirSync(dir, { recursive: true });
  if (project === "empty") writeFileSync(join(dir, "package.json"), '{ "private": true }');
  else cpSync(join(APPS, project), dir, { recursive: true, filter: (path) => !path.endsWith("node_modules") });
  cpSync(join(APPS, "programs"), dir, { recursive: true });
  if (project !== "empty") await run("npm", ["ci", "--ignore-scripts", ...QUIET], { cwd: dir });
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

/**
 * Another version of Node than the one that runs the tests. Kept among the temporary files of this user from run to run;
 * `node`'s own install script must run, it fetches the binary of this platform as a package.
 */
export async function otherNode(app: "node-22" | "node-26"): Promise<string> {
  const lock = JSON.parse(readFileSync(join(APPS, app, "package-lock.json"), "utf8")) as Lockfile;
  const { version } = lock.packages["node_modules/node"];
  const kept = join(tmpdir(), `spendfuse-test-node-${version}-${userInfo().username}`);
  const binary = join(kept, "node_modules/node/bin/node");
  if (!existsSync(binary)) {
    const fresh = mkdtempSync(`${kept}-`);
    cpSync(join(APPS, app), fresh, { recursive: true });
    await run("npm", ["ci", "--ignore-scripts=false", ...QUIET], { cwd: fresh });
    try {
      renameSync(fresh, kept);
    } catch {
      // Another run was faster.
      rmSync(fresh, { recursive: true });
    }
  }
  return binary;
}
