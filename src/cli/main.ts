#!/usr/bin/env node
import { readFileSync } from "node:fs";

interface Command {
  readonly says: string;
  /** Loads and runs the command; resolves to the exit code. */
  run(args: string[]): Promise<number>;
}

/** One file a command, loaded when it is called. */
const COMMANDS: { readonly [name: string]: Command } = {
  demo: {
    says: "see three agents metered against a local vendor's bill; no account, no key",
    run: async (args) => (await import("./demo.ts")).demo(args),
  },
  doctor: {
    says: "look at an app: what is metered, what is not, what is wrong, each with its fix; --json, --offline",
    run: async (args) => (await import("./doctor.ts")).doctor(args),
  },
  breaker: {
    says: "receive Datadog's alerts and stop agents; status, trip, reset, log, template",
    run: async (args) => (await import("./breaker.ts")).breaker(args),
  },
  sandbox: {
    says: "a stand-in for Datadog on this machine: metrics in, monitors, webhooks, dashboards",
    run: async (args) => (await import("./sandbox.ts")).sandbox(args),
  },
  deploy: {
    says: "install dashboards, monitors and the webhook in Datadog; --check, --plan, --destroy",
    run: async (args) => (await import("./deploy.ts")).deploy(args),
  },
  poll: {
    says: "read the vendors' bills, lay them over what was metered, publish the drift; --once, --every 5m",
    run: async (args) => (await import("./poll.ts")).poll(args),
  },
  report: {
    says: "bill and metered spend of a month by agent, team, key or model; --csv, --json, --caps",
    run: async (args) => (await import("./report.ts")).report(args),
  },
  monitors: {
    says: "test: play spend over simulated time on the monitors, offline",
    run: async (args) => (await import("./monitors.ts")).monitors(args),
  },
};

async function main([name, ...args]: string[]): Promise<number> {
  if (name === "--version" || name === "-v") {
    console.log(version());
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(help());
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const names = Object.keys(COMMANDS).join(", ");
    console.error(`spendfuse: there is no command "${name}". The commands are: ${names}. See spendfuse --help.`);
    return 2;
  }
  return await command.run(args);
}

function help(): string {
  const lines = Object.entries(COMMANDS).map(([name, { says }]) => `  ${name.padEnd(12)}${says}`);
  return `spendfuse ${version()}: meters what every AI agent spends, call by call and stream by stream.

Usage: spendfuse <command> [options]

${lines.join("\n")}

  --help      this text; after a command, that command's
  --version   the version

To meter an app: node --import spendfuse/register app.js`;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}

process.exitCode = await main(process.argv.slice(2));
