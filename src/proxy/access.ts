import type { IncomingMessage } from "node:http";
import { createSecretCheck } from "../breaker/access.ts";
import { foreignHost } from "../http/own-host.ts";
import type { Address } from "./address.ts";

/** Why a request is not passed on, with the status of the answer; undefined where it is. */
export interface Denial {
  readonly status: 401 | 403;
  readonly why: string;
}

/** Of a request and what its path says. */
export type Access = (request: IncomingMessage, address: Pick<Address, "token"> | undefined) => Denial | undefined;

export const TOKEN_HEADER = "x-spendfuse-token";

/**
 * Keeps web pages out: browsers mark their requests, and agent programs are no browsers. With a token, which is needed
 * where others than this machine can connect, a request carries it in a header or in its path.
 * @param loopback Whether only this machine can connect: then the host must be of this machine too.
 */
export function createAccess(loopback: boolean, token: string | undefined): Access {
  const isToken = token === undefined ? undefined : createSecretCheck([token]);
  return (request, address) => {
    const { origin, "sec-fetch-site": site = "none", [TOKEN_HEADER]: header } = request.headers;
    if (origin !== undefined || site !== "none") return { status: 403, why: "requests of web pages are refused" };
    if ((request.headersDistinct.host?.length ?? 0) > 1) return { status: 403, why: "it names two hosts" };
    const foreign = loopback ? foreignHost(request) : undefined;
    if (foreign !== undefined) return { status: 403, why: `"${foreign}" is not this machine` };
    const given = typeof header === "string" ? header : address?.token;
    if (isToken === undefined || isToken(given)) return undefined;
    return { status: 401, why: `it needs the token, as ${TOKEN_HEADER} or as /token/TOKEN before the path` };
  };
}
