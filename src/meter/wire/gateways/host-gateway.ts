import { setBounded } from "../../../core/bounded-map.ts";
import { reportedCost } from "../../../core/figures.ts";
import type { Reading } from "../formats/format.ts";
import type { HeaderLookup } from "../headers.ts";
import { HOSTS, type Host } from "../hosts.ts";
import type { Gateway } from "./gateway.ts";
import * as registry from "./registry.ts";

/** What the answers of one host have shown about the gateway there. */
export interface HostGateway {
  gateway: Gateway | undefined;
  /** Answers that are still searched for a gateway's signs. */
  looks: number;
}

const GATEWAYS: readonly Gateway[] = Object.values(registry);
/** Answers without any sign after which a host is taken for no gateway. */
const LOOKS = 16;
const MAX_HOSTS = 500;
const NONE: HostGateway = { gateway: undefined, looks: 0 };

/** Finds what is known of a host's gateway. `row`: its row in `hosts.ts` or of the user's. */
export type FindGateway = (host: string, row: Host | undefined) => HostGateway;

export function createGatewayMemory(): FindGateway {
  const known = new Map<string, HostGateway>();
  return (host, row) => {
    const gateway = row && GATEWAYS.find(({ name }) => name === row.provider);
    if (gateway !== undefined) return { gateway, looks: 0 };
    // A vendor's own host; a row of the user's may describe a gateway.
    if (row !== undefined && HOSTS.includes(row)) return NONE;
    let found = known.get(host);
    if (found === undefined) {
      found = { gateway: undefined, looks: LOOKS };
      setBounded(known, host, found, MAX_HOSTS);
    }
    return found;
  };
}

/** Reads what the head of an answer says that the gateway there did; reads nothing where there is none. */
export function readHead(at: HostGateway, headers: HeaderLookup, stream: boolean, reading: Reading): void {
  lookForGateway(at, headers);
  if (at.gateway !== undefined) readGateway(at.gateway, headers, stream, reading);
}

function readGateway(gateway: Gateway, headers: HeaderLookup, stream: boolean, reading: Reading): void {
  const { cost, cacheHit, served } = gateway;
  if (cacheHit !== undefined) {
    const mark = headers.get(cacheHit.header);
    if (mark !== undefined && mark !== null && cacheHit.value?.test(mark) !== false) reading.cached = true;
  }
  if (served !== undefined) reading.served = served(headers);
  if (reading.served !== undefined) reading.inexact = gateway.ownPrices === true;
  if (cost !== undefined && !stream && !reading.cached) reading.costUsd = reportedCost(headers.get(cost));
}

/** Looks for the signs of a gateway in the head of any answer, also of an error. */
export function lookForGateway(at: HostGateway, headers: HeaderLookup): void {
  if (at.gateway !== undefined || at.looks === 0) return;
  at.looks -= 1;
  at.gateway = GATEWAYS.find(({ signs }) =>
    signs.some((sign) => {
      const value = headers.get(sign);
      return value !== undefined && value !== null;
    }),
  );
}
