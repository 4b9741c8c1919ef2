import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that came. */
export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Undefined when it had none. */
  readonly body: unknown;
}

/** A server that notes each request, and answers as it is told to. */
export interface StubServer {
  readonly url: string;
  readonly asks: readonly Ask[];
  close(): Promise<void>;
}

export async function startStubServer(
  answer: (ask: Ask) => { readonly status?: number; readonly body: unknown },
): Promise<StubServer> {
  const asks: Ask[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const body = text === "" ? undefined : JSON.parse(text);
    const ask = { method: request.method ?? "", path: pathname, query: searchParams, headers: request.headers, body };
    asks.push(ask);
    const { status = 200, body: said } = answer(ask);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asks,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
