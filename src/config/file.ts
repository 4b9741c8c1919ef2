import { dirname, join, resolve } from "node:path";
import { SpendfuseError } from "../core/errors.ts";
import type { Env } from "./environment.ts";

const { existsSync, readFileSync, realpathSync } = process.getBuiltinModule("node:fs");

export const FILE = "spendfuse.config.json";

/** The source of a configuration that the variable itself holds. */
export const INLINE = "SPENDFUSE_CONFIG";

/** The JSON of a configuration, and where it was found. */
export interface ConfigText {
  /** The path of a file, or {@link INLINE}. */
  readonly source: string;
  readonly json: unknown;
}

/**
 * The JSON in or named by `SPENDFUSE_CONFIG`, else of `spendfuse.config.json` in the working directory, else of the first
 * one above the program's entry file. Undefined when there is none.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` for a named file that does not exist, and for invalid JSON.
 */
export function readConfigText(env: Env): ConfigText | undefined {
  const named = env.SPENDFUSE_CONFIG?.trim();
  if (named?.startsWith("{")) return { source: INLINE, json: parse(named, INLINE) };
  if (named && !existsSync(named)) {
    const path = resolve(named);
    const message = `SPENDFUSE_CONFIG names ${path}, which does not exist: name a file that does, or unset it`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { path, fix: "unset SPENDFUSE_CONFIG" });
  }
  const path = named ? resolve(named) : findFile(workingDirectory(), entryOf(env));
  return path === undefined ? undefined : { source: path, json: parse(read(path), path) };
}

/**
 * @param cwd searched without its parents
 * @param entry the program's first file: links are followed, then every folder above it is looked in
 */
export function findFile(cwd: string | undefined, entry: string | undefined): string | undefined {
  const here = cwd === undefined ? undefined : join(cwd, FILE);
  if (here !== undefined && existsSync(here)) return here;
  if (entry === undefined) return undefined;
  for (let folder = dirname(realPath(entry)); ; folder = dirname(folder)) {
    const path = join(folder, FILE);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) return undefined;
  }
}

/** The app's first file; undefined where there is none, as for `node -e`. */
export function entryOf(env: Env): string | undefined {
  return appOfPm2(env) ?? process.argv[1];
}

/** PM2 starts a file of its own, which then loads the app's; its cluster mode names it in JSON. */
function appOfPm2({ pm_exec_path: path, pm2_env: json }: Env): string | undefined {
  if (path !== undefined || json === undefined) return path;
  try {
    return (JSON.parse(json) as { readonly pm_exec_path?: string }).pm_exec_path;
  } catch {
    return undefined;
  }
}

/** Undefined when it was deleted. */
export function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const message = `cannot read ${path}: ${(cause as Error).message}; it must be a file that this user can read`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { source: path }, cause);
  }
}

function parse(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${source} is not JSON: ${(cause as Error).message}`;
    const fix =
      source === INLINE
        ? `SPENDFUSE_CONFIG='{ "mode": "enforce" }'`
        : `node -p "JSON.parse(require('fs').readFileSync('${source}', 'utf8'))"`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { source, fix }, cause);
  }
}
