import { type Manifest, readText } from "./manifest.ts";

/** A way in which the app is started, or an environment that it is started in. */
export interface Launch {
  /** Where it is written: `package.json, script "start"`. */
  readonly where: string;
  /** As it is written there: fixes are made of it. */
  readonly command: string;
  /** `script`, `procfile` and `container` start the app themselves; what an `environment` says holds for all of them. */
  readonly kind: "script" | "procfile" | "container" | "environment";
  /** What script or process it is: `start`. */
  readonly name: string;
  /** Not only for development. */
  readonly production: boolean;
  /** What is loaded before the app, as it is written. */
  readonly preloads: readonly string[];
}

const RUNS = /\b(?:node|nodemon|tsx|ts-node|bun|next|nuxt|nest|remix-serve|react-router-serve|astro|pm2|electron)\b/;
const SCRIPT = /^(?:start|serve|dev|prod|worker|web|server)(?:[:_-]|$)/;
const DEVELOPMENT = /\bdev\b|\bwatch\b|\bdebug\b|nodemon|--watch/;
const THROUGH_NPM = /^(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?[\w:-]+\s*$/;
/** Files that say how an app is put into a container. */
export const CONTAINERS = [
  "Dockerfile",
  "Containerfile",
  "docker-compose.yml",
  "docker-compose.yaml",
  "compose.yaml",
  "compose.yml",
];
/** Files of pm2. */
export const ECOSYSTEMS = [
  "ecosystem.config.js",
  "ecosystem.config.cjs",
  "ecosystem.config.mjs",
  "ecosystem.config.json",
];

/** Every place that the app's folder and the environment know in which the app is started. */
export function findLaunches(
  dir: string,
  manifest: Manifest | undefined,
  env: Readonly<Record<string, string | undefined>>,
): readonly Launch[] {
  const launches: Launch[] = [];
  const add = (kind: Launch["kind"], where: string, name: string, command: string): void => {
    const production = kind === "container" || !(DEVELOPMENT.test(name) || DEVELOPMENT.test(command));
    launches.push({ kind, where, name, command, production, preloads: preloadsOf(command) });
  };
  for (const [name, command] of Object.entries(manifest?.scripts ?? {}))
    if (SCRIPT.test(name) && RUNS.test(command)) add("script", `package.json, script "${name}"`, name, command);
  for (const [, name = "", command = ""] of (readText(dir, "Procfile") ?? "").matchAll(/^([\w-]+):\s*(.+)$/gm))
    if (RUNS.test(command)) add("procfile", `Procfile, ${name}`, name, command.trim());
  for (const file of CONTAINERS) {
    const text = (readText(dir, file) ?? "").replace(/\\\r?\n/g, " ");
    for (const [, , list = ""] of text.matchAll(/^\s*(CMD|ENTRYPOINT|command:|entrypoint:)\s*(.+)$/gim)) {
      const command = unquoted(list).trim();
      if (RUNS.test(command) && !THROUGH_NPM.test(command)) add("container", file, "command", command);
    }
    for (const options of nodeOptions(text)) add("environment", `${file}, NODE_OPTIONS`, "NODE_OPTIONS", options);
  }
  for (const file of ECOSYSTEMS) {
    const text = readText(dir, file);
    if (text !== undefined) add("container", file, "apps", unquoted(text));
  }
  const npmrc = /^\s*node-options\s*=\s*(.+)$/m.exec(readText(dir, ".npmrc") ?? "")?.[1];
  if (npmrc !== undefined) add("environment", ".npmrc, node-options", "node-options", unquoted(npmrc));
  if (env.NODE_OPTIONS?.trim()) add("environment", "NODE_OPTIONS", "NODE_OPTIONS", env.NODE_OPTIONS);
  return launches;
}

/** A list of words or a line of them, without what quotes them. */
function unquoted(text: string): string {
  return text.replace(/["'`,[\]]+/g, " ");
}

const PRELOAD = /^(?:--import|--require|-r)(?:=(.*))?$/;
/** Options of Node, other than those, that take the next word. */
const TAKES_WORD =
  /^(?:--env-file|--env-file-if-exists|-C|--conditions|--loader|--experimental-loader|--title|--watch-path)$/;
const NEXT_COMMAND = /^(?:&&|\|\||[;|&])$/;

/** Arguments after `node app.js` are the app's, not Node's. */
function preloadsOf(command: string): readonly string[] {
  const preloads: string[] = [];
  const words = unquoted(command).split(/\s+/);
  let reads: "anything" | "options" | "nothing" = "anything";
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const preload = PRELOAD.exec(word);
    if (NEXT_COMMAND.test(word)) reads = "anything";
    else if (reads === "nothing" || word === "") continue;
    else if (/(?:^|\/)node$/.test(word)) reads = "options";
    else if (preload !== null) preloads.push(preload[1] ?? words[++at] ?? "");
    else if (reads === "options" && TAKES_WORD.test(word)) at += 1;
    else if (reads === "options" && !word.startsWith("-")) reads = "nothing";
  }
  return preloads;
}

function nodeOptions(text: string): readonly string[] {
  return [...text.matchAll(/\bNODE_OPTIONS\s*[=:]?\s*(?:"([^"\n]*)"|'([^'\n]*)'|(.*))/g)].map(
    ([, double, single, rest]) => double ?? single ?? rest ?? "",
  );
}

/** Whether what is loaded before the app is us. */
export function isRegister(preload: string): boolean {
  return preload === "spendfuse/register" || /(?:^|[\\/])spendfuse[\\/](?:dist|src)[\\/]register\.[jt]s$/.test(preload);
}
