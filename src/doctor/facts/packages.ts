import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The parts of a `package.json` that are read. */
export interface Manifest {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly type: string | undefined;
  readonly main: string | undefined;
  readonly scripts: Readonly<Record<string, string>>;
  /** Ranges by name, without development dependencies. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly engine: string | undefined;
}

/** The first 256 KB of a file; undefined when it cannot be read. */
export function readText(dir: string, name: string): string | undefined {
  try {
    return readFileSync(join(dir, name), "utf8").slice(0, 262_144);
  } catch {
    return undefined;
  }
}

/** Undefined without a valid `package.json`. */
export function readManifest(dir: string): Manifest | undefined {
  let json: unknown;
  try {
    json = JSON.parse(readText(dir, "package.json") ?? "");
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { scripts, engines, dependencies, optionalDependencies, peerDependencies } = json as Record<string, unknown>;
  const { name, version, type, main } = texts(json);
  return {
    ...{ name, version, type, main },
    engine: texts(engines).node,
    scripts: texts(scripts),
    dependencies: { ...texts(peerDependencies), ...texts(optionalDependencies), ...texts(dependencies) },
  };
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, text]) => typeof text === "string"));
}

/** Versions of the installed ones of these packages, each from the nearest `node_modules`. */
export function installedVersions(dir: string, names: Iterable<string>): ReadonlyMap<string, string> {
  const roots = foldersAbove(dir).map((folder) => join(folder, "node_modules"));
  const versions = new Map<string, string>();
  for (const name of names) {
    const root = roots.find((folder) => existsSync(join(folder, name, "package.json")));
    const version = root && readManifest(join(root, name))?.version;
    if (version !== undefined) versions.set(name, version);
  }
  return versions;
}

/** Yarn's Plug'n'Play, under which installed packages cannot be read. */
export function isPlugAndPlay(dir: string): boolean {
  return foldersAbove(dir).some((folder) => existsSync(join(folder, ".pnp.cjs")));
}

function foldersAbove(dir: string): readonly string[] {
  const above = dirname(dir);
  return above === dir ? [dir] : [dir, ...foldersAbove(above)];
}

/** The numbers of `v22.15.0`, `22`, `^7.1.0-beta`; undefined without any. */
function readVersion(text: string): readonly number[] | undefined {
  const found = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return found?.slice(1).map((part = "0") => Number(part));
}

/** False for a version that cannot be parsed. */
export function isBelow(version: string, floor: string): boolean {
  const [a, b] = [readVersion(version), readVersion(floor)];
  if (a === undefined || b === undefined) return false;
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && (a[at] as number) < (b[at] as number);
}

/** Whether a version belongs to a series such as `7` or `0.19`. */
export function isOf(version: string, series: string): boolean {
  return version === series || version.startsWith(`${series}.`);
}

/** The package of an import: `openai` of `openai/realtime/ws`; undefined for a file or a module of Node. */
export function packageOf(name: string): string | undefined {
  if (/^(?:[./#]|node:|https?:|data:)/.test(name)) return undefined;
  return name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Whether a table's row is about a package. A row names one, or all with a prefix: `@ai-sdk/*`. */
export function isNamed(name: string, row: string): boolean {
  return row.endsWith("*") ? name.startsWith(row.slice(0, -1)) : name === row;
}
