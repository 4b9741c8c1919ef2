import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { anthropicChunks, converseAnswer, converseEvents, EVENTSTREAM } from "./bedrock-frames.ts";
import type { Script, Step } from "./model-server.ts";

/** One request as the server saw it. */
export interface BedrockVisit {
  readonly method: string;
  /** As it was sent: the model is percent-encoded. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** `1.1` or `2.0`. */
  readonly httpVersion: string;
  /** Who ended it: a client that goes away in the middle, or the server. */
  readonly over: Promise<"client" | "server">;
}

/** Says what to answer to a request; `attempt` counts them from 0 since `play`. */
export type BedrockAnswer = (visit: BedrockVisit, attempt: number) => Script;

/** A stand-in for Bedrock runtime on one port, over HTTP/1.1 and HTTP/2 without TLS, as the client begins. */
export interface BedrockServer {
  readonly url: string;
  /** Name and port, as a `hosts` row of the configuration writes it. */
  readonly host: string;
  readonly visits: readonly BedrockVisit[];
  /** What it answers from now on; begins a new list of visits. Without an argument: {@link answerAsBedrock}. */
  play(answer?: BedrockAnswer | Script): void;
  close(): Promise<void>;
}

/** What {@link answerAsBedrock} reports, in the canonical meaning: input includes the cache. */
export const BEDROCK_USAGE = { input: 1_830, output: 7, cacheRead: 800, cacheWrite: 30 } as const;
const PIECES = ["Hello", ", ", "how are you?"];
const ANTHROPIC_USAGE = {
  input_tokens: 1_000,
  cache_read_input_tokens: BEDROCK_USAGE.cacheRead,
  cache_creation_input_tokens: BEDROCK_USAGE.cacheWrite,
};
const CONVERSE_USAGE = {
  inputTokens: 1_000,
  outputTokens: BEDROCK_USAGE.output,
  totalTokens: 1_837,
  cacheReadInputTokens: BEDROCK_USAGE.cacheRead,
  cacheWriteInputTokens: BEDROCK_USAGE.cacheWrite,
};

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** Answers Converse for any model, and InvokeModel for those of Anthropic, with {@link BEDROCK_USAGE}. */
export const answerAsBedrock: BedrockAnswer = ({ path }) => {
  const model = decodeURIComponent(/^\/model\/([^/]+)\//.exec(path)?.[1] ?? "");
  if (path.endsWith("/converse")) return json(converseAnswer(PIECES.join(""), CONVERSE_USAGE));
  if (path.endsWith("/converse-stream")) return { headers: EVENTSTREAM, steps: converseEvents(PIECES, CONVERSE_USAGE) };
  if (path.endsWith("/count-tokens")) return json({ inputTokens: 1_000 });
  if (path.endsWith("/invoke-with-response-stream")) {
    const headers = { ...EVENTSTREAM, "x-amzn-bedrock-content-type": "application/json" };
    return { headers, steps: anthropicChunks(model, PIECES, ANTHROPIC_USAGE, BEDROCK_USAGE.output) };
  }
  if (path.endsWith("/invoke")) {
    const content = [{ type: "text", text: PIECES.join("") }];
    const usage = { ...ANTHROPIC_USAGE, output_tokens: BEDROCK_USAGE.output };
    const message = { id: "msg_bdrk_1", type: "message", role: "assistant", model, content, stop_reason: "end_turn" };
    return json(
      { ...message, usage },
      { "x-amzn-bedrock-input-token-count": "1000", "x-amzn-bedrock-output-token-count": "7" },
    );
  }
  return json({ message: "no such operation" }, { "x-amzn-errortype": "UnknownOperationException" }, 404);
};

/** An answer in JSON. */
export function json(body: object, headers: Readonly<Record<string, string>> = {}, status = 200): Script {
  return { status, headers: { "content-type": "application/json", ...headers }, steps: [JSON.stringify(body)] };
}

export async function startBedrockServer(): Promise<BedrockServer> {
  let answer: BedrockAnswer = answerAsBedrock;
  let visits: BedrockVisit[] = [];
  const sockets = new Set<Socket>();

  async function receive(request: Request, response: Response): Promise<void> {
    const over = Promise.withResolvers<"client" | "server">();
    const state = { cut: false };
    response.on("close", () => over.resolve(response.writableFinished || state.cut ? "server" : "client"));
    const body = await textOf(request);
    const { method = "", url: path = "", headers, httpVersion } = request;
    const visit = { method, path, headers, body, httpVersion, over: over.promise };
    await perform(answer(visit, visits.push(visit) - 1), response, state);
  }

  const listener = (request: Request, response: Response): void => {
    receive(request, response).catch(() => response.destroy());
  };
  const http = createHttp(listener);
  const http2 = createHttp2(listener);
  http2.on("sessionError", () => {});
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.unref();
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.once("readable", () => {
      const first = socket.read() as Buffer | null;
      if (first === null) return;
      socket.unshift(first);
      // HTTP/2 begins with `PRI * HTTP/2.0`.
      (first.toString("latin1", 0, 3) === "PRI" ? http2 : http).emit("connection", socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: `http://${host}`,
    host,
    get visits() {
      return visits;
    },
    play(next = answerAsBedrock) {
      answer = typeof next === "function" ? next : () => next;
      visits = [];
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function perform(
  { status = 200, headers = {}, steps }: Script,
  response: Response,
  state: { cut: boolean },
): Promise<void> {
  response.sendDate = false;
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  for (const step of steps) {
    if (response.destroyed || step === "hang") return;
    if (step === "cut") {
      state.cut = true;
      response.socket?.destroy();
      return;
    }
    await play(step, response);
  }
  response.end();
}

async function play(step: Exclude<Step, "hang" | "cut">, response: Response): Promise<void> {
  if (step === "head") {
    if ("flushHeaders" in response) response.flushHeaders();
    else response.writeHead(response.statusCode);
  } else if (typeof step === "string" || step instanceof Uint8Array) {
    await new Promise<void>((resolve) => (response as ServerResponse).write(step, () => resolve()));
  } else if ("pause" in step) await new Promise((resolve) => setTimeout(resolve, step.pause).unref());
  else await step.until;
}

async function textOf(request: Request): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
