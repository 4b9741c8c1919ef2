import { expect } from "vitest";
import type { SettledCall } from "../../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../../src/process/runtime.ts";
import { startWebSocketServer, type WebSocketServer } from "../../../servers/websocket-server.ts";
import { type Client, connect } from "./clients.ts";

export const REALTIME = "/v1/realtime?model=gpt-realtime";
export const RESPONSES = "/v1/responses";
export const LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
export const TURN = { clientContent: { turns: [{ role: "user", parts: [{ text: "Hi" }] }], turnComplete: true } };
export const ASK = { type: "response.create", model: "gpt-5.1", input: "Say hello" };

/** A vendor of WebSockets and a process that meters them. */
export interface Stage {
  readonly server: WebSocketServer;
  readonly runtime: Runtime;
  readonly calls: SettledCall[];
  /** The calls, when there are so many. */
  settled(count: number): Promise<SettledCall[]>;
  open(library: () => typeof WebSocket, path: string, headers?: Record<string, string>): Promise<Client>;
  close(): Promise<void>;
}

export async function openStage(config: object = {}): Promise<Stage> {
  const server = await startWebSocketServer();
  const calls: SettledCall[] = [];
  const runtime = createRuntime(() => {});
  const hosts = [{ host: server.host, like: "api.openai.com" }];
  await runtime.start({ telemetry: false, env: {}, config: { hosts, ...config } as never });
  runtime.listeners.add((call) => calls.push(call));
  return {
    server,
    runtime,
    calls,
    async settled(count) {
      await expect.poll(() => calls.length, { timeout: 4_000 }).toBe(count);
      return calls;
    },
    async open(library, path, headers) {
      const client = connect(library, `${server.url}${path}`, headers);
      await client.until("open");
      if (path === LIVE) {
        client.send({ setup: { model: "models/gemini-live-2.5-flash" } });
        await client.until("setupComplete");
      }
      return client;
    },
    async close() {
      expect(runtime.faults.counts()).toEqual(new Map());
      await runtime.stop();
      await server.close();
    },
  };
}
