import { join } from "node:path";
import { type Config, defaultConfig, readConfig } from "../config/config.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { DEFAULT_STORE, storeKindOf } from "../stores/addresses.ts";
import type { StoreKind } from "../stores/store.ts";
import { type Deployment, readDeployment } from "./facts/deployment.ts";
import { type Env, readEnvironmentOf, readsEnvFile } from "./facts/environment.ts";
import { findLaunches, type Launch } from "./facts/launches.ts";
import { type Manifest, readManifest } from "./facts/manifest.ts";
import { findPackages, type Installed, isPlugAndPlay, type Packages } from "./facts/packages.ts";
import { findSources, packageOf, type Sources } from "./facts/sources.ts";

/** Everything about an app that its folder and the environment tell. Checks read this and what was asked, nothing else. */
export interface Facts {
  /** Of the Node that looks, such as `24.21.0`. */
  readonly node: string;
  readonly manifest: Manifest | undefined;
  /** Those that a table of ours names, and the few that we need. */
  readonly packages: Packages;
  readonly isPlugAndPlay: boolean;
  readonly sources: Sources;
  readonly launches: readonly Launch[];
  readonly deployment: Deployment;
  readonly env: Env;
  /** What `.env` adds to the environment, and whether anything is seen that reads it. */
  readonly envFile: { readonly names: readonly string[]; readonly isRead: boolean };
  readonly configuration: Configuration;
  readonly store: StoreFacts;
}

/** The store of the configuration. */
export interface StoreFacts {
  readonly address: string;
  /** Undefined only where the default is no kind of ours. */
  readonly kind: StoreKind | undefined;
  /** Why it cannot be used, as far as that is seen without opening it. */
  readonly fault: string | undefined;
}

export interface Configuration {
  /** The defaults where it is wrong. */
  readonly config: Config;
  /** Why it is not used at all; empty when it is valid. */
  readonly problems: readonly ConfigProblem[];
  /** What is ignored in it. */
  readonly notes: readonly ConfigProblem[];
}

export interface ConfigProblem {
  readonly says: string;
  /** What to write instead. */
  readonly fix: string | undefined;
}

/**
 * Reads an app's folder, which must be the working directory: the configuration is found there as the app finds it.
 * Read-only, without network requests.
 */
export function gatherFacts(dir: string, own: Env, isWanted: (name: string) => boolean): Facts {
  const manifest = readManifest(dir);
  const { env, fromFile } = readEnvironmentOf(dir, own);
  const sources = findSources(dir);
  const launches = findLaunches(dir, manifest, env);
  const configuration = readConfiguration(dir, env);
  const named = [...Object.keys(manifest?.dependencies ?? {}), ...importedBy(sources)];
  return {
    node: process.versions.node,
    manifest,
    packages: findPackages(dir, isWanted),
    isPlugAndPlay: isPlugAndPlay(dir),
    sources,
    launches,
    deployment: readDeployment(dir, manifest?.scripts ?? {}),
    env,
    envFile: { names: fromFile, isRead: readsEnvFile(launches, sources.files, named) },
    configuration,
    store: storeFactsOf(dir, configuration.config.store ?? DEFAULT_STORE),
  };
}

function readConfiguration(dir: string, env: Env): Configuration {
  const notes: ConfigProblem[] = [];
  // Messages name the file by its whole path.
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

function storeFactsOf(dir: string, address: string): StoreFacts {
  const kind = storeKindOf(address);
  return { address, kind, fault: kind?.look?.(address, dir) };
}

function importedBy({ files }: Sources): ReadonlySet<string> {
  return new Set(files.flatMap(({ imports }) => imports.flatMap(({ name }) => packageOf(name) ?? [])));
}

/** A package that the app itself uses: it depends on it, or imports it. */
export interface Used {
  readonly name: string;
  /** Undefined where it is not installed. */
  readonly installed: Installed | undefined;
}

/** The packages of a table's row that the app uses. A row names one package, or all that begin as it does: `@ai-sdk/*`. */
export function usedOf({ manifest, sources, packages }: Facts, row: string): readonly Used[] {
  const names = new Set([...Object.keys(manifest?.dependencies ?? {}), ...importedBy(sources)]);
  return [...names]
    .filter((name) => isNamed(name, row))
    .sort()
    .map((name) => ({ name, installed: packages.get(name) }));
}

export function isUsed(facts: Facts, row: string): boolean {
  return usedOf(facts, row).length > 0;
}

export function isNamed(name: string, row: string): boolean {
  return row.endsWith("*") ? name.startsWith(row.slice(0, -1)) : name === row;
}

/** What a variable is set to, here or in a file that says how the app runs elsewhere. */
export function settingOf({ env, deployment }: Facts, name: string): string | undefined {
  return env[name]?.trim() || deployment.variables.get(name)?.value.trim() || undefined;
}

/** Whether a package or one of its copies is of a version that `is` looks for. */
export function hasVersion({ packages }: Facts, name: string, is: (version: string) => boolean): boolean {
  const found = packages.get(name);
  return found !== undefined && [found.version, ...found.others].some(is);
}
