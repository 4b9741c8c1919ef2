import type { Upstreams } from "./address.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The addresses that a program is given, as SDKs take them: OpenAI's with `/v1`, the others' without. */
export type Addresses = Upstreams;

/** Variables in which clients look for the address of an API. */
const VARIABLES: Readonly<Record<keyof Upstreams, readonly string[]>> = {
  openai: ["OPENAI_BASE_URL", "OPENAI_API_BASE"],
  anthropic: ["ANTHROPIC_BASE_URL"],
  gemini: ["GOOGLE_GEMINI_BASE_URL"],
};
/** Where Gemini CLI goes with a Google account's login. It names no upstream: that one address is enough for `gemini`. */
const CODE_ASSIST_VARIABLE = "CODE_ASSIST_ENDPOINT";
/** A program that is hooked itself leaves calls to this proxy to the proxy, so that each is counted once. */
export const PROXY_VARIABLE = "SPENDFUSE_PROXY_URL";
const LOOPBACK = ["127.0.0.1", "localhost"];

/**
 * The environment of a program whose calls go to a proxy on this machine.
 * @param inherited The environment of this process: an address that `env` names otherwise is the app's own choice, and stays.
 */
export function childEnvironment(
  env: Env,
  addresses: Addresses,
  proxy: string,
  inherited: Env = env,
): Record<string, string | undefined> {
  const changed: Record<string, string | undefined> = { ...env };
  for (const [api, names] of Object.entries(VARIABLES) as [keyof Upstreams, readonly string[]][]) {
    for (const name of names) {
      if (env[name] === undefined || env[name] === inherited[name]) changed[name] = addresses[api];
    }
  }
  changed[CODE_ASSIST_VARIABLE] ??= addresses.gemini;
  // Where both are set, some clients read the one and some the other.
  for (const name of ["NO_PROXY", "no_proxy"])
    changed[name] = withLoopback(env[name] ?? env.NO_PROXY ?? env.no_proxy ?? "");
  changed[PROXY_VARIABLE] = proxy;
  return changed;
}

function withLoopback(exceptions: string): string {
  const known = exceptions.split(/[\s,]+/).filter((entry) => entry !== "");
  return [...known, ...LOOPBACK.filter((host) => !known.includes(host))].join(",");
}

/** The addresses that the environment named before, where they are not the vendors' own. */
export function readUpstreams(env: Env): Partial<Upstreams> {
  const found: { -readonly [api in keyof Upstreams]?: string } = {};
  for (const [api, names] of Object.entries(VARIABLES) as [keyof Upstreams, readonly string[]][]) {
    const named = names.map((name) => env[name]?.trim()).find((value) => value);
    const url = URL.parse(named ?? "");
    if (url === null || !/^https?:$/.test(url.protocol)) continue;
    const base = url.href.replace(/\/+$/, "");
    // The AI SDK takes Anthropic's address with `/v1`, all others without.
    found[api] = api === "anthropic" ? base.replace(/\/v1$/, "") : base;
  }
  return found;
}

/** Programs that start others: what they start is named in their arguments. */
const STARTERS = /^(?:node|npx|bunx|pnpx|pnpm|yarn|bun|npm)$/;
const CODEX = /^(?:@openai\/)?codex(?:@[\w.-]+)?$/;

/** The command line with the address for Codex, which reads it from its arguments only. */
export function childArguments(command: readonly string[], addresses: Addresses): readonly string[] {
  const at = command.findIndex((word, index) => {
    if (index > 0 && !STARTERS.test(nameOf(command[0] as string))) return false;
    return CODEX.test(nameOf(word)) || CODEX.test(word);
  });
  if (at < 0) return command;
  const setting = `openai_base_url=${JSON.stringify(addresses.openai)}`;
  return [...command.slice(0, at + 1), "-c", setting, ...command.slice(at + 1)];
}

/** The name of a program by its path. */
export function nameOf(path: string): string {
  return (path.split(/[\\/]/).at(-1) as string).replace(/\.(?:exe|cmd|js|mjs)$/i, "");
}
