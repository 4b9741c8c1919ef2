import { type Config, readCommandConfig } from "../../../config/config.ts";
import type { ConfigFile } from "../../../core/config-types.ts";
import type { ScopeFields } from "../../../core/scope.ts";
import { createKeyReader } from "../../../meter/identity/api-key.ts";
import { theRuntime } from "../../../process/runtime.ts";
import type { Upstreams } from "../../../proxy/address.ts";
import { type ProxyOptions, type ProxyServer, startProxy, TOKEN_VARIABLE } from "../../../proxy/server.ts";

export interface OpenOptions {
  readonly port: number;
  readonly host?: string | undefined;
  readonly agent?: string | undefined;
  readonly fields?: ScopeFields;
  /** What is added to the configuration; given the configuration as it is. */
  readonly more?: (config: Config) => ConfigFile;
  /** Upstreams where the configuration names none. */
  readonly upstreams?: (config: Config) => Partial<Upstreams>;
}

/** Starts the meter of this process and a proxy on it. */
export async function openProxy(
  options: OpenOptions,
): Promise<{ readonly proxy: ProxyServer; readonly token: string | undefined; readonly config: Config }> {
  const config = readCommandConfig((message) => console.error(`spendfuse: ${message}`));
  const runtime = theRuntime();
  await runtime.start(options.more?.(config) ?? {});
  const token = config.env[TOKEN_VARIABLE]?.trim() || undefined;
  const proxy = await startProxy({
    meter: {
      wrapFetch: runtime.wrapFetch,
      scope: runtime.scoping.scope,
      extract: runtime.propagation.extract,
      openSocket: runtime.openSocket,
    },
    port: options.port,
    ...(options.host !== undefined && { host: options.host }),
    token,
    agent: options.agent ?? config.defaults.agent,
    fields: options.fields ?? {},
    agentOfKey: agentOfKey(config.keys ?? {}),
    upstreams: { ...options.upstreams?.(config), ...config.proxy?.upstreams },
    env: config.env,
  });
  return { proxy, token, config };
}

/** Keys with a name in the configuration. */
function agentOfKey(aliases: Readonly<Record<string, string>>): ProxyOptions["agentOfKey"] {
  const names = new Set(Object.values(aliases));
  if (names.size === 0) return undefined;
  const nameOf = createKeyReader(aliases);
  return (headers) => {
    const name = nameOf(headers);
    return name !== undefined && names.has(name) ? name : undefined;
  };
}
