#!/usr/bin/env node
import { VERSION } from "../package/version.ts";
import { COMMANDS } from "./commands/registry.ts";

async function main([name, ...args]: string[]): Promise<number> {
  if (name === "--version" || name === "-v") {
    console.log(VERSION);
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(await help());
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const names = Object.keys(COMMANDS).join(", ");
    console.error(`spendfuse: unknown command "${name}". Commands: ${names}. See spendfuse --help.`);
    return 2;
  }
  return await (await load()).command.run(args);
}

async function help(): Promise<string> {
  const loaded = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const lines = loaded.map(({ command }) => `  ${command.name.padEnd(12)}${command.summary}`);
  return `spendfuse ${VERSION}: meters what every AI agent spends, call by call and stream by stream.

Usage: spendfuse <command> [options]

${lines.join("\n")}

  --help      this text; after a command, that command's
  --version   the version

To meter an app: node --import spendfuse/register app.js`;
}

process.exitCode = await main(process.argv.slice(2));
