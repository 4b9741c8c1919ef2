import { join } from "node:path";
import { parseEnv } from "node:util";
import { type Config, defaultConfig, readConfig } from "../config/config.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { DEFAULT_STORE, STORE_KINDS, storeKindOf } from "../stores/addresses.ts";
import type { StoreKind } from "../stores/store.ts";
import { type Deployment, readDeployment } from "./facts/deployment.ts";
import { findLaunches, type Launch } from "./facts/launches.ts";
import {
  installedVersions,
  isNamed,
  isPlugAndPlay,
  type Manifest,
  packageOf,
  readManifest,
  readText,
} from "./facts/packages.ts";
import { findSources, type Sources } from "./facts/sources.ts";
import { INSTRUMENTATIONS } from "./tables/instrumentations.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** Everything that an app's folder and the environment tell about it. Checks read nothing else but answers. */
export interface Facts {
  /** Version of the running Node, such as `24.21.0`. */
  readonly node: string;
  readonly manifest: Manifest | undefined;
  /** Packages that the app depends on or imports, in alphabetical order. */
  readonly used: readonly string[];
  /** Installed versions by name, of used packages and of those that a check needs. */
  readonly versions: ReadonlyMap<string, string>;
  readonly isPlugAndPlay: boolean;
  readonly sources: Sources;
  readonly launches: readonly Launch[];
  readonly deployment: Deployment;
  /** The environment, and what `.env` adds to it. */
  readonly env: Env;
  /** Names of the variables that only `.env` sets. */
  readonly fromEnvFile: readonly string[];
  readonly configuration: Configuration;
  /** The store's `fault` is why it cannot be used, as far as is known without opening it. */
  readonly store: {
    readonly address: string;
    readonly kind: StoreKind | undefined;
    readonly fault: string | undefined;
  };
}

export interface Configuration {
  /** The defaults where it is invalid. */
  readonly config: Config;
  /** Why it is invalid; empty when it is valid. */
  readonly problems: readonly ConfigProblem[];
  /** What is ignored in it. */
  readonly notes: readonly ConfigProblem[];
}

export interface ConfigProblem {
  readonly says: string;
  readonly fix: string | undefined;
}

/**
 * Reads an app's folder, which must be the working directory, because the configuration is looked for there.
 * Read-only, without network requests.
 */
export function gatherFacts(dir: string, own: Env): Facts {
  const manifest = readManifest(dir);
  const file: Env = parseEnv(readText(dir, ".env") ?? "");
  const env = { ...file, ...own };
  const sources = findSources(dir);
  const imported = sources.files.flatMap(({ imports }) => imports.flatMap(({ name }) => packageOf(name) ?? []));
  const used = [...new Set([...Object.keys(manifest?.dependencies ?? {}), ...imported])].sort();
  const configuration = readConfiguration(dir, env);
  const address = configuration.config.store ?? DEFAULT_STORE;
  const kind = storeKindOf(address);
  return {
    node: process.versions.node,
    manifest,
    used,
    versions: installedVersions(dir, new Set([...used, ...NEEDED])),
    isPlugAndPlay: isPlugAndPlay(dir),
    sources,
    launches: findLaunches(dir, manifest, env),
    deployment: readDeployment(dir, manifest?.scripts ?? {}),
    env,
    fromEnvFile: Object.keys(file).filter((name) => own[name] === undefined),
    configuration,
    store: { address, kind, fault: kind?.look?.(address, dir) },
  };
}

/** Packages whose versions are needed even where the app does not use them itself. */
const NEEDED = [
  "spendfuse",
  ...STORE_KINDS.flatMap(({ client }) => client?.package ?? []),
  ...INSTRUMENTATIONS.flatMap(({ defects = [] }) => defects.flatMap((defect) => defect.with?.[0] ?? [])),
];

function readConfiguration(dir: string, env: Env): Configuration {
  const notes: ConfigProblem[] = [];
  // Messages hold the absolute path of the file.
  const short = (message: string): string => message.replaceAll(join(dir, "/"), "");
  try {
    const config = readConfig({}, env, (note, fix) => notes.push({ says: short(note), fix }));
    return { config, problems: [], notes };
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    const { fix, problems = [{ says: error.message, fix }] } = error.facts as {
      readonly fix?: string;
      readonly problems?: readonly ConfigProblem[];
    };
    return { config: defaultConfig(env), problems: problems.map((one) => ({ ...one, says: short(one.says) })), notes };
  }
}

/** The packages of a table's row that the app uses. */
export function usedOf({ used }: Facts, row: string): readonly string[] {
  return used.filter((name) => isNamed(name, row));
}

/** A package with its version, if it is installed. */
export function subjectOf({ versions }: Facts, name: string): string {
  const version = versions.get(name);
  return version === undefined ? name : `${name} ${version}`;
}

/** Whether the app has an OpenTelemetry of its own that exports metrics; ours is then off. */
export function exportsMetrics(facts: Facts): boolean {
  return INSTRUMENTATIONS.some((row) => row.exportsMetrics && usedOf(facts, row.package).length > 0);
}

/** What a variable is set to, here or in a deployment file. */
export function settingOf({ env, deployment }: Facts, name: string): string | undefined {
  return env[name]?.trim() || deployment.variables.get(name)?.value.trim() || undefined;
}
