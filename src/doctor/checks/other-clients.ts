import { createHostLookup } from "../../meter/wire/hosts.ts";
import { packageOf, placeOf, type SourceFile } from "../facts/sources.ts";
import { isNamed } from "../facts.ts";
import { note } from "../finding.ts";
import { SDKS } from "../tables/sdks.ts";
import { TRANSPORTS } from "../tables/transports.ts";
import type { Check } from "./check.ts";

const knownHost = createHostLookup();

/** A fetch of the caller's own. The global one, and a wrapped one, are ours. */
const OWN_FETCH = /[{,(]\s*fetch\s*:(?!\s*(?:(?:wrapFetch|globalThis|global|window|typeof|undefined)\b|fetch\s*[,}]))/;
const FETCH_METHOD = /\bfetch\s*:\s*(?:async\s*)?\(?\s*(?:req|request)\b/;

/** Requests to a model's host that other clients make, and SDKs that are given a fetch of their own. */
export const otherClients: Check = {
  name: "other-clients",
  group: "blind",
  *check({ sources }) {
    for (const file of sources.files) {
      const host = modelHostIn(file);
      for (const { names, says, fix, seen } of host === undefined ? [] : TRANSPORTS) {
        const found = file.imports.find(({ name }) => names.includes(name));
        if (found === undefined || seen?.test(file.code)) continue;
        const subject = placeOf(file, found.at);
        yield note("client-unseen", subject, `${says}; this file names ${host}`, fix);
      }
      const own = importsSdk(file) && !FETCH_METHOD.test(file.code) ? OWN_FETCH.exec(file.code) : null;
      if (own !== null)
        yield note(
          "fetch-unwrapped",
          placeOf(file, own.index + own[0].indexOf("fetch")),
          "an SDK is given a fetch of its own: its calls pass us by",
          "fetch: wrapFetch(myFetch)",
        );
    }
  },
};

/** A host of a vendor that a source names in quotes. */
function modelHostIn({ literals, imports }: SourceFile): string | undefined {
  const names = new Set(imports.map(({ name }) => name));
  for (const { text } of literals) {
    if (names.has(text) || text.length > 500) continue;
    const host =
      /^(?:https?|wss?):\/\/([^/\s:]+)/.exec(text)?.[1] ?? /^[a-z0-9-]+(?:\.[a-z0-9-]+){1,5}$/.exec(text)?.[0];
    if (host !== undefined && knownHost(host) !== undefined) return host;
  }
  return undefined;
}

function importsSdk({ imports }: SourceFile): boolean {
  return imports.some(({ name }) => {
    const own = packageOf(name);
    return own !== undefined && SDKS.some((sdk) => isNamed(own, sdk.package));
  });
}
