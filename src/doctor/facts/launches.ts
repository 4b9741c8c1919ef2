import { type Manifest, readText } from "./packages.ts";

/** A command that starts the app, or an environment that it is started in. */
export interface Launch {
  /** Where it is written: `package.json, script "start"`. */
  readonly where: string;
  /** As it is written there. */
  readonly command: string;
  /** `script`, `procfile` and `container` start the app; an `environment` applies to all of them. */
  readonly kind: "script" | "procfile" | "container" | "environment";
  /** Name of the script or the process: `start`. */
  readonly name: string;
  /** Not only for development. */
  readonly production: boolean;
  /** Whether it preloads `spendfuse/register`. */
  readonly registers: boolean;
}

const RUNS = /\b(?:node|nodemon|tsx|ts-node|bun|next|nuxt|nest|remix-serve|react-router-serve|astro|pm2|electron)\b/;
const SCRIPT = /^(?:start|serve|dev|prod|worker|web|server)(?:[:_-]|$)/;
const DEVELOPMENT = /\bdev\b|\bwatch\b|\bdebug\b|nodemon|--watch/;
const THROUGH_NPM = /^(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?[\w:-]+\s*$/;
export const CONTAINERS = [
  ...["Dockerfile", "Containerfile"],
  ...["docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml"],
];
/** Files of pm2. */
export const ECOSYSTEMS = ["js", "cjs", "mjs", "json"].map((end) => `ecosystem.config.${end}`);

/** Every place in the app's folder and the environment in which the app is started. */
export function findLaunches(
  dir: string,
  manifest: Manifest | undefined,
  env: Readonly<Record<string, string | undefined>>,
): readonly Launch[] {
  const launches: Launch[] = [];
  const add = (kind: Launch["kind"], where: string, name: string, command: string): void => {
    const production = kind === "container" || !(DEVELOPMENT.test(name) || DEVELOPMENT.test(command));
    launches.push({ kind, where, name, command, production, registers: registersIn(command) });
  };
  for (const [name, command] of Object.entries(manifest?.scripts ?? {}))
    if (SCRIPT.test(name) && RUNS.test(command)) add("script", `package.json, script "${name}"`, name, command);
  for (const [, name = "", command = ""] of (readText(dir, "Procfile") ?? "").matchAll(/^([\w-]+):\s*(.+)$/gm))
    if (RUNS.test(command)) add("procfile", `Procfile, ${name}`, name, command.trim());
  for (const file of CONTAINERS) {
    const text = (readText(dir, file) ?? "").replace(/\\\r?\n/g, " ");
    for (const [, list = ""] of text.matchAll(/^\s*(?:CMD|ENTRYPOINT|command:|entrypoint:)\s*(.+)$/gim)) {
      const command = unquoted(list).trim();
      if (RUNS.test(command) && !THROUGH_NPM.test(command)) add("container", file, "command", command);
    }
    for (const [, options = ""] of text.matchAll(/\bNODE_OPTIONS\s*[=:]?\s*("[^"\n]*"|'[^'\n]*'|.*)/g))
      add("environment", `${file}, NODE_OPTIONS`, "NODE_OPTIONS", options);
  }
  for (const file of ECOSYSTEMS) {
    const text = readText(dir, file);
    if (text !== undefined) add("container", file, "apps", text);
  }
  const npmrc = /^\s*node-options\s*=\s*(.+)$/m.exec(readText(dir, ".npmrc") ?? "")?.[1];
  if (npmrc !== undefined) add("environment", ".npmrc, node-options", "node-options", npmrc);
  if (env.NODE_OPTIONS?.trim()) add("environment", "NODE_OPTIONS", "NODE_OPTIONS", env.NODE_OPTIONS);
  return launches;
}

function unquoted(text: string): string {
  return text.replace(/["'`,[\]]+/g, " ");
}

/** Node with its options; what follows is the app's file and the app's arguments. */
const NODE =
  /^(?:.*?[\s/])?node(?=\s)(?:\s+(?:(?:--import|--require|-r|--env-file(?:-if-exists)?|-C|--conditions|--(?:experimental-)?loader|--title|--watch-path)\s+\S+|-\S+))*/s;

function registersIn(command: string): boolean {
  return unquoted(command)
    .split(/&&|\|\||[;|&]/)
    .map((part) => NODE.exec(part.trim())?.[0] ?? part)
    .some((part) => [...part.matchAll(/(?:^|\s)(?:--import|--require|-r)[=\s]\s*(\S+)/g)].some(isOurs));
}

function isOurs([, preload = ""]: RegExpMatchArray): boolean {
  return isRegister(preload);
}

/** Whether a module is `spendfuse/register`, by name or by path. */
export function isRegister(name: string): boolean {
  return name === "spendfuse/register" || /(?:^|[\\/])spendfuse[\\/](?:dist|src)[\\/]register\.[jt]s$/.test(name);
}
