import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { constants } from "node:os";
import { type Config, isStrict, readEnvironment } from "../../../config/config.ts";
import type { ConfigFile } from "../../../core/config-types.ts";
import { SpendfuseError } from "../../../core/errors.ts";
import type { ScopeFields } from "../../../core/scope.ts";
import { theRuntime } from "../../../process/runtime.ts";
import { writeAddress } from "../../../proxy/address.ts";
import { childArguments, childEnvironment, nameOf, readUpstreams } from "../../../proxy/children.ts";
import { usage } from "../command.ts";
import { openProxy } from "../proxy/open.ts";
import type { Values } from "../run.ts";
import { createSpend, type Spend } from "./spend.ts";
import { expectReport, passOutput, type Told, useReport } from "./told.ts";

/** Share of the cap at which a warning is given. */
const WARN_AT = 0.8;

/** Runs a program to its end. Resolves to its exit code, or to 128 and its signal's number, as shells have it. */
export async function run({ agent: named, usd, strict = false }: Values, words: readonly string[]): Promise<number> {
  if (words.length === 0) throw usage("name the program after --, such as: spendfuse run --usd 5 -- claude");
  const cap = usd === undefined ? undefined : Number(usd);
  if (cap !== undefined && !(cap > 0 && Number.isFinite(cap)))
    throw usage("--usd must be an amount above 0, such as 5");
  const agent = named ?? silentProgram(words);
  const id = randomUUID();
  if (strict && cap === undefined) throw usage("--strict needs --usd AMOUNT");
  const spend = createSpend(cap === undefined ? undefined : sayUnpriced);
  theRuntime().listeners.add(spend.add);
  const { proxy, config, token } = await openProxy({
    port: 0,
    agent,
    fields: { run: id },
    more: (found) => (cap === undefined ? {} : withCap(found, id, cap, strict)),
    upstreams: ({ env }) => readUpstreams(env),
  });
  const addresses = {
    openai: writeAddress(proxy.url, "openai", { agent, token }),
    anthropic: writeAddress(proxy.url, "anthropic", { agent, token }),
    gemini: writeAddress(proxy.url, "gemini", { agent, token }),
  };
  const told = expectReport(words, process.stdout);
  try {
    return await runChild(childArguments(words, addresses), childEnvironment(config.env, addresses, proxy.url), told);
  } finally {
    await proxy.close();
    if (told !== undefined) sayTold({ agent: agent ?? told.start.name, run: id }, spend, told);
    await theRuntime().flush();
    console.error(`spendfuse: ${spend.line(cap)}`);
    await theRuntime().stop();
  }
}

function sayTold(scope: ScopeFields, spend: Spend, told: Told): void {
  const runtime = theRuntime();
  for (const line of runtime.scoping.scope(scope, () => useReport(runtime, spend, told)))
    console.error(`spendfuse: ${line}`);
}

/** The name of a program whose requests do not say which one they are of. */
function silentProgram([file = ""]: readonly string[]): string | undefined {
  const name = nameOf(file);
  return name === "aider" && readEnvironment().SPENDFUSE_AGENT === undefined ? name : undefined;
}

/** @throws SpendfuseError `SPENDFUSE_CONFIG` where the configuration keeps a cap from refusing calls. */
function withCap(
  { mode = "enforce", budgets = [], env, unpriced = "allow" }: Config,
  run: string,
  usd: number,
  strict: boolean,
): ConfigFile {
  if (mode !== "enforce") {
    const message = `--usd refuses no call while "mode" is "${mode}": set SPENDFUSE_MODE=enforce, or leave --usd out`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { key: "mode", fix: "SPENDFUSE_MODE=enforce" });
  }
  const own = { name: "this run", scope: { run }, per: "run", usd, warnAt: WARN_AT };
  return { mode, unpriced: strict || isStrict(env) ? "refuse" : unpriced, budgets: [...budgets, own] };
}

function sayUnpriced(model: string): void {
  console.error(
    `spendfuse: the price of ${model} is not known, so --usd does not count it; --strict refuses such calls`,
  );
}

/** Signals that a terminal, or whoever started us, sends to us and means for the program. */
const PASSED: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

function runChild(
  [file = "", ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  told: Told | undefined,
): Promise<number> {
  const child = spawn(file, args, { env, stdio: ["inherit", told === undefined ? "inherit" : "pipe", "inherit"] });
  if (told !== undefined) passOutput(child, process.stdout, told);
  // A terminal sends its signals to both of us: then the program has it already.
  const fromTerminal = new Set<NodeJS.Signals>(process.stdin.isTTY ? ["SIGINT", "SIGQUIT"] : []);
  const listeners = PASSED.map((signal) => {
    const pass = (): void => void (fromTerminal.has(signal) || child.kill(signal));
    process.on(signal, pass);
    return () => process.off(signal, pass);
  });
  return new Promise<number>((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "there is no such program" : error.message;
      reject(usage(`cannot start ${file}: ${why}; name a program that this shell can start`));
    });
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  }).finally(() => {
    for (const stop of listeners) stop();
  });
}
