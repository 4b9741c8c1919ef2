#!/usr/bin/env node
import { isSpendfuseError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { VERSION } from "../package/version.ts";
import type { Command } from "./commands/command.ts";
import { COMMANDS } from "./commands/registry.ts";
import { completionScript } from "./completion.ts";

/** What is no command with options of its own. */
const PLAIN: Readonly<Record<string, (words: readonly string[]) => Promise<number>>> = {
  "--help": printHelp,
  "-h": printHelp,
  help: printHelp,
  "--version": printVersion,
  "-v": printVersion,
  version: printVersion,
  completion: printCompletion,
};

async function main([name = "--help", ...args]: string[]): Promise<number> {
  if (Object.hasOwn(PLAIN, name)) return (await PLAIN[name]?.(args)) ?? 0;
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return load === undefined ? unknown(name) : await (await load()).command.run(args);
}

function unknown(name: string): number {
  const names = Object.keys(COMMANDS);
  const near = didYouMean(name, [...names, "help", "version", "completion"]);
  console.error(`spendfuse: unknown command "${name}"${near === "" ? `. Commands: ${names.join(", ")}` : near}`);
  console.error("See spendfuse --help.");
  return 2;
}

async function printVersion(): Promise<number> {
  console.log(VERSION);
  return 0;
}

async function printHelp([name]: readonly string[]): Promise<number> {
  if (name !== undefined && !name.startsWith("-")) {
    const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    return load === undefined ? unknown(name) : await (await load()).command.run(["--help"]);
  }
  const lines = (await loadAll()).map((command) => `  ${command.name.padEnd(12)}${command.summary}`);
  console.log(`spendfuse ${VERSION}: meters what every AI agent spends, call by call and stream by stream.

Usage: spendfuse <command> [options]

${lines.join("\n")}

  help NAME          what a command takes, as NAME --help does
  version            the version
  completion SHELL   completion for bash, zsh or fish: source <(spendfuse completion bash)

To meter an app: node --import spendfuse/register app.js`);
  return 0;
}

async function printCompletion([shell]: readonly string[]): Promise<number> {
  try {
    console.log(completionScript(shell, await loadAll()));
    return 0;
  } catch (error) {
    if (!isSpendfuseError(error)) throw error;
    console.error(`spendfuse completion: ${error.message}`);
    return 2;
  }
}

async function loadAll(): Promise<readonly Command[]> {
  const loaded = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  return loaded.map(({ command }) => command);
}

process.exitCode = await main(process.argv.slice(2));
