import { parseEnv } from "node:util";
import type { Launch } from "./launches.ts";
import { readText } from "./manifest.ts";
import type { SourceFile } from "./sources.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** The environment as the app would have it. */
export interface Environment {
  readonly env: Env;
  /** What `.env` adds, by name. */
  readonly fromFile: readonly string[];
}

/** The process's own variables, and behind them those of `.env`. */
export function readEnvironmentOf(dir: string, own: Env): Environment {
  const text = readText(dir, ".env");
  if (text === undefined) return { env: own, fromFile: [] };
  const file: Readonly<Record<string, string | undefined>> = parseEnv(text);
  const fromFile = Object.keys(file).filter((name) => own[name] === undefined);
  return { env: { ...file, ...own }, fromFile };
}

/** Packages that read `.env`, by themselves or when told to. */
const READERS = /^(?:dotenv|dotenv-flow|@dotenvx\/dotenvx|@nestjs\/config|next|nuxt|astro|vite)$/;

/** Whether anything is seen that reads `.env`. */
export function readsEnvFile(
  launches: readonly Launch[],
  files: readonly SourceFile[],
  packages: Iterable<string>,
): boolean {
  return (
    launches.some(({ command }) => /--env-file|dotenv|\bbun\b|compose/.test(command)) ||
    files.some(({ code }) => /\bloadEnvFile\s*\(/.test(code)) ||
    [...packages].some((name) => READERS.test(name))
  );
}
