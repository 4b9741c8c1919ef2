import { isGuarded } from "../../process/enforcement.ts";
import { isBelow } from "../facts/version.ts";
import type { Facts } from "../facts.ts";
import type { Check } from "./check.ts";

const ASKED = "store";
/** As the store uses its client. */
const REDIS_FLOOR = "5";
const SHARED = "SPENDFUSE_STORE=file:/var/lib/app/spendfuse.db";
const INSTALL = "npm install redis";

export const store: Check = {
  name: "store",
  group: "guard",
  says: "the store of budgets and circuits can be used, and is shared where several processes need it",
  asks(facts) {
    const address = addressOf(facts);
    const may = isRedis(address) && clientFault(facts) === undefined;
    return may ? [{ id: ASKED, kind: "store", address }] : [];
  },
  *check(facts, answers) {
    const address = addressOf(facts);
    const { configuration, storePlace, deployment, sources } = facts;
    const subject = shown(address);
    if (isRedis(address)) {
      const missing = clientFault(facts);
      const answer = answers.get(ASKED);
      if (missing !== undefined)
        yield { id: "store-package-missing", level: "fault", subject, says: missing, fix: INSTALL };
      else if (answer === undefined) yield { id: "store", level: "ok", subject, says: "not asked" };
      else if ("failure" in answer)
        yield {
          id: "store-unreachable",
          level: "fault",
          subject,
          says: `${answer.failure}; calls pass unchecked while it is away, or are refused by whenStateUnknown`,
          fix: "SPENDFUSE_STORE=redis://127.0.0.1:6379",
        };
      else yield { id: "store", level: "ok", subject, says: "answers" };
    } else if (storePlace?.fault !== undefined)
      yield { id: "store-unusable", level: "fault", subject, says: storePlace.fault, fix: SHARED };
    else if (storePlace !== undefined) yield { id: "store", level: "ok", subject, says: "can be written" };
    else if (isGuarded(configuration.config)) {
      const several = deployment.several ?? forksIn(sources.files);
      if (several !== undefined && configuration.config.caps.length > 0)
        yield {
          id: "store-not-shared",
          level: "note",
          subject,
          says: `each process has budgets of its own, and several run: ${several}`,
          fix: SHARED,
        };
      else yield { id: "store", level: "ok", subject, says: "in the process: a restart forgets what was spent" };
    }
  },
};

function addressOf({ configuration }: Facts): string {
  return configuration.config.store ?? "memory";
}

function isRedis(address: string): boolean {
  return /^(?:rediss?|valkeys?):/.test(address);
}

/** Why the store's client cannot be loaded from the app. */
function clientFault({ packages, isPlugAndPlay }: Facts): string | undefined {
  if (isPlugAndPlay) return undefined;
  const client = packages.get("redis");
  if (client === undefined) return "needs the package redis, which is not installed in the app";
  return isBelow(client.version, REDIS_FLOOR) ? `needs redis 5 or later; the app has ${client.version}` : undefined;
}

function forksIn(files: Facts["sources"]["files"]): string | undefined {
  const found = files.find(
    ({ code, imports }) => imports.some(({ name }) => /^(?:node:)?cluster$/.test(name)) && /\.fork\s*\(/.test(code),
  );
  return found && `${found.path} forks`;
}

function shown(address: string): string {
  const url = isRedis(address) ? URL.parse(address) : null;
  return url === null ? `store ${address}` : `store ${url.protocol}//${url.host}`;
}
