import { REGISTER_FILE, withNodeOptions } from "../../package/node-options.ts";
import { isRegister, type Launch } from "../facts/launches.ts";
import { placeOf, type SourceFile } from "../facts/sources.ts";
import type { Facts } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import type { Check } from "./check.ts";

const OPTION = "--import spendfuse/register";
/** Where the app is installed decides it; in images mostly in /app. */
const IN_IMAGE = `/app/${REGISTER_FILE}`;

/** Spendfuse is loaded wherever the app is started. */
export const loading: Check = {
  name: "loading",
  group: "started",
  *check(facts) {
    const { launches, sources, manifest } = facts;
    // No app at all: another check reports it.
    if (manifest === undefined && sources.files.length === 0) return;
    const loaders = launches.filter(({ registers }) => registers);
    const starts = sources.files.flatMap((file) => startIn(file) ?? []);
    if (loaders.length === 0 && starts.length === 0) {
      yield notLoaded(facts);
      return;
    }
    for (const { where } of loaders) yield ok("register", where, "loads spendfuse/register before the app");
    for (const launch of loaders.filter(isInherited).filter(({ command }) => isRelative(command)))
      yield note("register-relative", launch.where, RELATIVE, absoluteLine(launch));
    for (const place of starts) yield ok("register", place, "starts spendfuse");
    if (starts.length > 0 || loaders.some(({ kind }) => kind === "environment")) return;
    for (const launch of launches.filter(({ production, registers }) => production && !registers))
      yield note("register-partial", launch.where, "starts the app without spendfuse", lineOf(launch));
  },
};

const RELATIVE = "every Node process inherits it, and one that starts in another folder ends with ERR_MODULE_NOT_FOUND";

/** Whether every process that is started in it has the option too. */
function isInherited({ kind, command }: Launch): boolean {
  return kind === "environment" || OWN_OPTIONS.test(command);
}

/** In a command, with its value. */
const OWN_OPTIONS = /\bNODE_OPTIONS=(?:"[^"]*"|'[^']*'|\S*)\s*/;

/** A name or a relative path is looked up from the folder that a process starts in. */
function isRelative(command: string): boolean {
  const preloads = command.matchAll(/(?:--import|--require|-r)[=\s]\s*["'`]?([^\s"'`]+)/g);
  return [...preloads].some(([, name = ""]) => isRegister(name) && !/^(?:\/|file:|[A-Za-z]:[\\/]|\$)/.test(name));
}

/** Absolute, in the form of the place. */
function absoluteLine({ kind, where, name, command }: Launch): string {
  if (kind !== "environment" && OWN_OPTIONS.test(command)) {
    return inPlace({ kind, name }, withNodeOptions(command.replace(OWN_OPTIONS, "")));
  }
  if (name === "node-options") return `node-options=--import ${IN_IMAGE}`;
  if (where === "NODE_OPTIONS") return withNodeOptions("").replace(/ (?:&& )?$/, "");
  return /compose/.test(where) ? `NODE_OPTIONS: "--import ${IN_IMAGE}"` : `ENV NODE_OPTIONS="--import ${IN_IMAGE}"`;
}

function notLoaded({ sources, launches, manifest }: Facts): Remark {
  const own = launches.filter(({ kind }) => kind !== "environment");
  const launch = own.find(({ name }) => name === "start") ?? own.find(({ production }) => production) ?? own[0];
  const main = manifest?.main;
  const fix = launch === undefined ? `node ${OPTION} ${main ?? "app.js"}` : lineOf(launch);
  const wrapper = sources.files.find((file) => importsUs(file) && /\bwrapFetch\s*\(/.test(file.code));
  if (wrapper !== undefined) {
    const says = "nothing loads spendfuse: only clients that are given a fetch from wrapFetch() are metered";
    return note("register-partial", wrapper.path, says, fix);
  }
  const says = "nothing loads spendfuse: no call is metered, no budget holds";
  return fault("register-missing", launch?.where ?? main ?? "the app", says, fix);
}

/** Where a file starts us: by importing `register`, by `start()`, or as an instrumentation. */
function startIn(file: SourceFile): string | undefined {
  const register = file.imports.find(({ name }) => isRegister(name));
  if (register !== undefined) return placeOf(file, register.at);
  const called = /(?<![.\w])start\s*\(|\binstrumentations\s*:\s*\[[^\]]*\binstrumentation\b/.exec(file.code);
  return importsUs(file) && called !== null ? placeOf(file, called.index) : undefined;
}

function importsUs({ imports }: SourceFile): boolean {
  return imports.some(({ name }) => name === "spendfuse");
}

/** The line that loads us, in the form of the place. */
function lineOf(launch: Launch): string {
  const { kind, command, where } = launch;
  if (kind === "script" || kind === "procfile") return inPlace(launch, withRegister(command));
  return where.startsWith("ecosystem") ? `node_args: "${OPTION}"` : absoluteLine(launch);
}

/** A command as a script or a Procfile has it. */
function inPlace({ kind, name }: Pick<Launch, "kind" | "name">, command: string): string {
  return kind === "script"
    ? `"${name}": "${command.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`
    : `${name}: ${command}`;
}

/** As an option of `node`, or through the environment where a launcher starts Node. */
function withRegister(command: string): string {
  const node = /(^|\s)node(?=\s)/;
  return node.test(command) ? command.replace(node, `$1node ${OPTION}`) : withNodeOptions(command);
}
