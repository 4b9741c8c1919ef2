import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { object, text } from "../../core/json.ts";
import { dropScopeHeaders } from "../../meter/wire/scope-headers.ts";
import { type Address, upstreamUrl } from "../address.ts";
import { AGENT, type ForwardOptions, inScope, MESSAGE, unreachable } from "../forward.ts";
import { requestHeaders } from "../headers.ts";
import { findProgram, type Program } from "../programs.ts";
import { acceptedLines, readAnswerHead, readableOffers, writeHead } from "./handshake.ts";
import { splice, spliceMetered } from "./splice.ts";

/** A request that opens a WebSocket, and the socket that it came on. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly client: Duplex;
}

/** What servers without WebSockets answer. */
const HAS_NONE: ReadonlySet<number> = new Set([400, 404, 405, 426, 501]);

/**
 * Opens the same WebSocket at the upstream and passes both ways what is sent. A call is refused by a message, never by
 * the handshake, which some clients would try again.
 */
export async function passUpgrade(options: ForwardOptions, address: Address, upgrade: Upgrade): Promise<void> {
  const { request, client } = upgrade;
  const url = upstreamUrl(address, options.upstreams);
  const program = findProgram(request.headers);
  let vendor: Duplex | undefined;
  client.once("close", () => vendor?.destroy());
  client.pause();
  try {
    vendor = await options.connect(new URL(url));
    vendor.on("error", ignore);
    if (client.destroyed) return void vendor.destroy();
    vendor.write(requestHead(request, new URL(url)));
    await answer(options, address, upgrade, { url, program, vendor });
  } catch (error) {
    vendor?.destroy();
    if (client.destroyed) return;
    const { status, body } = unreachable(url, error);
    refuseUpgrade(client, status, JSON.stringify(body));
  }
}

interface Asked {
  readonly url: string;
  readonly program: Program | undefined;
  readonly vendor: Duplex;
}

async function answer(options: ForwardOptions, address: Address, { request, client }: Upgrade, asked: Asked) {
  const { url, program, vendor } = asked;
  const { status, statusLine, lines, rest } = await readAnswerHead(vendor);
  if (status !== 101) {
    (vendor as Socket).setTimeout(IDLE_MS, () => vendor.destroy());
    if (program?.prefersHttp === true && HAS_NONE.has(status)) {
      vendor.destroy();
      return refuseUpgrade(client, 426, "");
    }
    // Nothing that the client sends is passed on: it would be a request past the meter.
    client.write(writeHead(statusLine, [...lines.filter((line) => !/^connection:/i.test(line)), "connection: close"]));
    client.write(rest);
    vendor.pipe(client);
    return void client.resume();
  }
  const named = request.headers[AGENT] ?? program?.inside(request.headers).agent;
  const socket = inScope(options, address, request, program, () =>
    options.metered.openSocket({
      address: url,
      headers: named === undefined ? request.headers : { ...request.headers, [AGENT]: named },
      refusal: program?.refuseOnSocket && ((body) => program.refuseOnSocket?.(messageOf(body)) ?? body),
    }),
  );
  const accepted = socket === undefined ? { lines, compression: undefined } : acceptedLines(lines);
  client.write(writeHead(statusLine, accepted.lines));
  if (rest.length > 0) vendor.unshift(rest);
  if (socket === undefined) splice({ client, vendor });
  else spliceMetered({ client, vendor }, socket, accepted.compression);
}

/** An upstream that refuses the upgrade and does not close. */
const IDLE_MS = 30_000;

function messageOf(body: Readonly<Record<string, unknown>>): string {
  return text(object(body.error)?.message) ?? MESSAGE;
}

function requestHead(request: IncomingMessage, { host, pathname, search }: URL): Buffer {
  const pairs = dropScopeHeaders(requestHeaders(request.rawHeaders)) as readonly (readonly [string, string])[];
  const lines = pairs.flatMap(([name, value]) => {
    const readable = readableOffers(name, value);
    return readable === undefined || name.toLowerCase() === "accept-encoding" ? [] : [`${name}: ${readable}`];
  });
  const own = [`Host: ${host}`, "Connection: Upgrade", "Upgrade: websocket"];
  return writeHead(`GET ${pathname}${search} HTTP/1.1`, [...own, ...lines]);
}

/** Answers a handshake by ourselves. @param body JSON */
export function refuseUpgrade(client: Duplex, status: number, body: string): void {
  const length = Buffer.byteLength(body);
  const type = length === 0 ? [] : ["content-type: application/json"];
  const lines = [...type, `content-length: ${length}`, "connection: close"];
  client.end(Buffer.concat([writeHead(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, lines), Buffer.from(body)]));
  client.resume();
}

function ignore(): void {}
