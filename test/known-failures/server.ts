import { afterAll, afterEach, vi } from "vitest";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { stopUserTelemetry } from "./tracing.ts";

/** Starts the vendors' side of a test file; after each test nothing of that test is left, after all of them it stops. */
export async function serve(): Promise<ModelServer> {
  const server = await startModelServer();
  afterEach(() => {
    vi.unstubAllGlobals();
    stopUserTelemetry();
    server.drop();
  });
  afterAll(() => server.close());
  return server;
}
