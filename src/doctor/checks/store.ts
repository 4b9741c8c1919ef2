import { isGuarded } from "../../process/enforcement.ts";
import { exampleStore, shownStore } from "../../stores/addresses.ts";
import { isBelow } from "../facts/packages.ts";
import type { Facts } from "../facts.ts";
import { fault, note, ok, type Remark } from "../finding.ts";
import type { Answer } from "../question.ts";
import type { Check } from "./check.ts";

const ASKED = "store";
const SHARED = `SPENDFUSE_STORE=${exampleStore("host")}`;

/** The store of budgets and circuits is usable, and shared where several processes run. */
export const store: Check = {
  name: "store",
  group: "guard",
  asks(facts) {
    const { kind, address } = facts.store;
    return kind?.reach === "fleet" && clientFault(facts) === undefined ? [{ id: ASKED, kind: "store", address }] : [];
  },
  *check(facts, answers) {
    const { kind, address, fault: why } = facts.store;
    const subject = `store ${shownStore(address)}`;
    if (kind?.reach === "fleet") yield remoteStore(facts, subject, answers.get(ASKED));
    else if (why !== undefined) yield fault("store-unusable", subject, why, SHARED);
    else if (kind?.reach === "host") yield ok("store", subject, "is writable");
    else if (isGuarded(facts.configuration.config)) yield ownStore(facts, subject);
  },
};

function remoteStore(facts: Facts, subject: string, answer: Answer | undefined): Remark {
  const { kind } = facts.store;
  const missing = clientFault(facts);
  if (missing !== undefined)
    return fault("store-package-missing", subject, missing, `npm install ${kind?.client?.package}`);
  if (answer === undefined) return ok("store", subject, "not asked");
  if (!("failure" in answer)) return ok("store", subject, "answers");
  const says = `${answer.failure}; until it answers, whenStateUnknown decides whether calls pass`;
  return fault("store-unreachable", subject, says, `SPENDFUSE_STORE=${kind?.example ?? exampleStore("fleet")}`);
}

/** A store inside each process. */
function ownStore({ deployment, sources, configuration }: Facts, subject: string): Remark {
  const forks = sources.files.find(
    ({ code, imports }) => imports.some(({ name }) => /^(?:node:)?cluster$/.test(name)) && /\.fork\s*\(/.test(code),
  );
  const several = deployment.several ?? forks?.path;
  if (several === undefined || configuration.config.caps.length === 0)
    return ok("store", subject, "in the process: a restart loses what was spent");
  const says = `budgets count in each process, and ${several} starts several`;
  return note("store-not-shared", subject, says, SHARED);
}

/** Why the store's client cannot be loaded from the app. */
function clientFault({ versions, isPlugAndPlay, store: { kind } }: Facts): string | undefined {
  if (isPlugAndPlay || kind?.client === undefined) return undefined;
  const { package: name, since } = kind.client;
  const installed = versions.get(name);
  if (installed === undefined) return `needs the package ${name}, which is not installed in the app`;
  return isBelow(installed, since) ? `needs ${name} ${since} or later; the app has ${installed}` : undefined;
}
