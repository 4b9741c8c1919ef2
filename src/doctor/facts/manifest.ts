import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What is used of an app's `package.json`. */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly type?: string;
  readonly main?: string;
  readonly scripts: Readonly<Record<string, string>>;
  /** Ranges by name: what the app itself says it needs when it runs. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly engine?: string;
}

/** The text of a file of the app, up to 256 KB; undefined when it is not there. */
export function readText(dir: string, name: string): string | undefined {
  try {
    return readFileSync(join(dir, name), "utf8").slice(0, 262_144);
  } catch {
    return undefined;
  }
}

/** Undefined without a `package.json` that can be read. */
export function readManifest(dir: string): Manifest | undefined {
  let json: unknown;
  try {
    json = JSON.parse(readText(dir, "package.json") ?? "");
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { name, version, type, main, scripts, engines, ...rest } = json as Readonly<Record<string, unknown>>;
  const engine = texts(engines).node;
  return {
    ...(typeof name === "string" && { name }),
    ...(typeof version === "string" && { version }),
    ...(typeof type === "string" && { type }),
    ...(typeof main === "string" && { main }),
    ...(engine !== undefined && { engine }),
    scripts: texts(scripts),
    dependencies: { ...texts(rest.peerDependencies), ...texts(rest.optionalDependencies), ...texts(rest.dependencies) },
  };
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, text]) => typeof text === "string"));
}
