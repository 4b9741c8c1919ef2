import { readEnvironment } from "../../../config/config.ts";
import { childArguments, childEnvironment, nameOf, PROXY_VARIABLE } from "../../../proxy/children.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import type { ProgramStart, StartedProgram } from "../../call/started-program.ts";
import { SCOPE_VARIABLE } from "../../propagation/baggage.ts";
import type { Launch } from "./command.ts";
import { withOwnBudget } from "./own-budget.ts";
import { type FoundProgram, findProgram, pastProxy, startOf } from "./past.ts";

/** Programs that call models, or may: Python has no hook of ours. */
const AGENT = /^(?:claude|codex|gemini|opencode|qwen|aider|python[\d.]*|uvx?|pipx)$/;
/** As packages they are named otherwise. */
const PACKAGE = /(?:^|[/@])(?:claude-code|claude-agent-sdk|gemini-cli|codex|opencode-ai|qwen-code)(?:[@/]|$)/;
const SHELL = /^(?:sh|bash|dash|zsh|fish|cmd|powershell|pwsh)$/;
/** They start what is named in their arguments. */
const STARTER = /^(?:node|bun|bunx|npx|pnpm|pnpx|yarn|npm|deno|env|timeout|nice|nohup)$/;
/** Of the arguments of a starter. */
const LOOKED_AT = 6;

/** The launch of any program, in the scope that it is started in, for one that is hooked itself. */
export function withScope(meter: CallMeter, launch: Launch): Launch {
  const scope = meter.scopeForChildren();
  if (scope === undefined || launch.env[SCOPE_VARIABLE] === scope) return launch;
  return { ...launch, env: { ...launch.env, [SCOPE_VARIABLE]: scope } };
}

/** A launch as it is made, and the agent program in it, if it is one. */
export interface Prepared {
  readonly launch: Launch;
  readonly started?: StartedProgram;
  /** It tells on its standard output what it has used. */
  readonly reports?: boolean;
}

/** The launch of an agent program with the addresses of our proxy in it; any other as it is. */
export function redirect(meter: CallMeter, launch: Launch): Prepared {
  if (!isAgent(launch) || isGuided(launch)) return { launch };
  const found = programOf(launch);
  const start = found === undefined ? unknownStart(launch) : startOf(found);
  const started = meter.startProgram(start);
  if (started === undefined) return { launch };
  const reports = found !== undefined && tellsItsUse(found);
  const { addresses, leftUsd } = started;
  if (addresses === undefined) return { launch, started, reports };
  const given = found === undefined ? launch.args : withOwnBudget(launch.args, found, leftUsd);
  const [, ...args] = childArguments([launch.file, ...given], addresses);
  const env = childEnvironment(launch.env, addresses, addresses.proxy, readEnvironment());
  const redirected = { file: launch.file, args, env };
  const past = found && pastProxy(found, redirected, addresses);
  if (past !== undefined && (start.asks || found?.args.length === 0)) started.past(past);
  return { launch: redirected, started, reports };
}

/** Whoever starts it, such as `spendfuse run`, has given it a proxy of ours, which this process does not have itself. */
function isGuided({ env }: Launch): boolean {
  const proxy = env[PROXY_VARIABLE];
  return proxy !== undefined && proxy !== readEnvironment()[PROXY_VARIABLE];
}

const REPORTING: ReadonlySet<string> = new Set(["claude", "codex"]);

/** Whether a program can tell on its standard output what it has used. */
export function tellsItsUse({ program }: FoundProgram): boolean {
  return REPORTING.has(program.name);
}

/** The known program that a command line starts; undefined for others. */
export function programOf(launch: Pick<Launch, "file" | "args">): FoundProgram | undefined {
  return findProgram(launch, SHELL.test(nameOf(launch.file)));
}

function unknownStart({ file }: Launch): ProgramStart {
  return { name: nameOf(file), asks: false, resumes: false, host: "" };
}

/** Whether a launch is that of an agent program, or of a shell or runtime that is told to start one. */
export function isAgent({ file, args }: Pick<Launch, "file" | "args">): boolean {
  const name = nameOf(file);
  if (AGENT.test(name)) return true;
  if (SHELL.test(name)) return args.some((text) => text.split(/[\s;&|()'"`]+/).some(isAgentWord));
  return STARTER.test(name) && args.slice(0, LOOKED_AT).some(isAgentWord);
}

function isAgentWord(word: string): boolean {
  return AGENT.test(nameOf(word)) || PACKAGE.test(word);
}
