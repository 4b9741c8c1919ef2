import type { Launch } from "./facts/launches.ts";
import type { Facts } from "./facts.ts";

const OPTION = "--import spendfuse/register";

/** The line that starts the app with us in it, as it is to be written where the app is started now. */
export function startLine({ launches, manifest }: Facts): string {
  const own = launches.filter(({ kind }) => kind !== "environment");
  const launch = own.find(({ name }) => name === "start") ?? own.find(({ production }) => production) ?? own[0];
  return launch === undefined ? `node ${OPTION} ${manifest?.main ?? "app.js"}` : lineOf(launch);
}

/** The same for one way of starting it. */
export function lineOf({ kind, name, command, where }: Launch): string {
  if (kind === "script") return `"${name}": "${withRegister(command).replaceAll('"', '\\"')}"`;
  if (kind === "procfile") return `${name}: ${withRegister(command)}`;
  if (where.startsWith("ecosystem")) return `node_args: "${OPTION}"`;
  if (/compose/.test(where)) return `NODE_OPTIONS: "${OPTION}"`;
  return `ENV NODE_OPTIONS="${OPTION}"`;
}

/** Node takes the option itself; what starts Node by itself takes it from the environment. */
function withRegister(command: string): string {
  const node = /(^|\s)node(?=\s)/;
  return node.test(command) ? command.replace(node, `$1node ${OPTION}`) : `NODE_OPTIONS='${OPTION}' ${command}`;
}
