import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Account, createAccount } from "../../src/sandbox/account.ts";

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly status: number;
}

/** What happens to a request before it is answered. */
export type Trouble =
  | undefined
  /** Answered like this, and not done. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** Never done, and the connection broken. */
  | "broken"
  /** Done, and the connection broken before the answer. */
  | "lost";

/** The sandbox's account behind a server of its own, that can be made to fail. */
export interface AccountServer {
  readonly url: string;
  readonly account: Account;
  readonly requests: readonly Recorded[];
  /** Asked for each request, with its number from 0. */
  trouble(how: (index: number, request: Omit<Recorded, "status">) => Trouble): void;
  /** Changes a body before it is stored. Reset takes it back. */
  alter(how: (path: string, body: unknown) => unknown): void;
  reset(): void;
  close(): Promise<void>;
}

export async function startAccountServer(known: readonly string[] = []): Promise<AccountServer> {
  let clock = 1_793_610_000;
  const make = (): Account =>
    createAccount({
      now: () => clock++,
      knowsMetric: (name) => known.includes(name),
      validate: () => undefined,
      onChange: () => {},
    });
  let account = make();
  let requests: Recorded[] = [];
  let how: Parameters<AccountServer["trouble"]>[0] = () => undefined;
  let altered: Parameters<AccountServer["alter"]>[0] = (_, body) => body;
  let count = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? "/", "http://localhost");
    const said = { method: request.method ?? "", path: url.pathname, body: text === "" ? undefined : JSON.parse(text) };
    const trouble = how(count++, said);
    if (trouble === "broken") return void response.destroy();
    const headers = request.headers as Record<string, string | undefined>;
    const own = typeof trouble === "object" ? trouble : undefined;
    const done = own ??
      account.handle({ ...said, body: altered(said.path, said.body), query: url.searchParams, headers }) ?? {
        status: 404,
        body: { errors: ["no"] },
      };
    requests.push({ ...said, status: done.status });
    if (trouble === "lost") return void response.destroy();
    response.writeHead(done.status, { "content-type": "application/json", ...own?.headers });
    response.end(done.body === undefined ? undefined : JSON.stringify(done.body));
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get account() {
      return account;
    },
    get requests() {
      return requests;
    },
    trouble(next) {
      how = next;
      count = 0;
    },
    alter(next) {
      altered = next;
    },
    reset() {
      account = make();
      requests = [];
      how = () => undefined;
      altered = (_, body) => body;
      count = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
