import type { SettledCall } from "../../src/core/call.ts";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { type ProxyOptions, type ProxyServer, startProxy } from "../../src/proxy/server.ts";

export interface Stage {
  readonly proxy: ProxyServer;
  readonly runtime: Runtime;
  readonly settled: readonly SettledCall[];
  readonly said: readonly string[];
  close(): Promise<void>;
}

/** A proxy with a meter of its own, in front of one vendor that speaks all APIs. @param vendor Its address. */
export async function startStage(
  vendor: string,
  config: ConfigFile = {},
  options: Partial<ProxyOptions> = {},
): Promise<Stage> {
  const said: string[] = [];
  const settled: SettledCall[] = [];
  const runtime = createRuntime((line) => said.push(line));
  const before = globalThis.fetch;
  await runtime.start({
    telemetry: false,
    env: { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" },
    config: { hosts: [{ host: new URL(vendor).host, like: "api.openai.com" }], ...config },
  });
  globalThis.fetch = before;
  runtime.listeners.add((call) => settled.push(call));
  const proxy = await startProxy({
    meter: {
      wrapFetch: runtime.wrapFetch,
      scope: runtime.scoping.scope,
      extract: runtime.propagation.extract,
      openSocket: runtime.openSocket,
    },
    port: 0,
    upstreams: { openai: `${vendor}/v1`, anthropic: vendor, gemini: vendor },
    env: {},
    ...options,
  });
  return {
    proxy,
    runtime,
    settled,
    said,
    async close() {
      await proxy.close();
      await runtime.stop();
    },
  };
}
