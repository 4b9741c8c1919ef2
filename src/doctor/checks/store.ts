import { isGuarded } from "../../process/enforcement.ts";
import { exampleStore, shownStore } from "../../stores/addresses.ts";
import { isBelow } from "../facts/version.ts";
import type { Facts } from "../facts.ts";
import type { Remark } from "../finding.ts";
import type { Answer } from "../question.ts";
import type { Check } from "./check.ts";

const ASKED = "store";
const variable = (address: string): string => `SPENDFUSE_STORE=${address}`;

/** The store of budgets and circuits can be used, and is shared where several processes need it. */
export const store: Check = {
  name: "store",
  group: "guard",
  asks(facts) {
    const { kind, address } = facts.store;
    return kind?.reach === "fleet" && clientFault(facts) === undefined ? [{ id: ASKED, kind: "store", address }] : [];
  },
  *check(facts, answers) {
    const { kind, fault } = facts.store;
    if (kind?.reach === "fleet") yield remoteStore(facts, answers.get(ASKED));
    else if (fault !== undefined) yield { ...about(facts, fault), id: "store-unusable", level: "fault", fix: SHARED };
    else if (kind?.reach === "host") yield about(facts, "can be written");
    else if (isGuarded(facts.configuration.config)) yield ownStore(facts);
  },
};

const SHARED = variable(exampleStore("host"));

function about({ store }: Facts, says: string): Remark {
  return { id: "store", level: "ok", subject: `store ${shownStore(store.address)}`, says };
}

function remoteStore(facts: Facts, answer: Answer | undefined): Remark {
  const { kind } = facts.store;
  const missing = clientFault(facts);
  if (missing !== undefined) {
    const fix = `npm install ${kind?.client?.package}`;
    return { ...about(facts, missing), id: "store-package-missing", level: "fault", fix };
  }
  if (answer === undefined) return about(facts, "not asked");
  if (!("failure" in answer)) return about(facts, "answers");
  return {
    ...about(facts, `${answer.failure}; calls pass unchecked while it is away, or are refused by whenStateUnknown`),
    id: "store-unreachable",
    level: "fault",
    fix: variable(kind?.example ?? exampleStore("fleet")),
  };
}

/** A store that each process has for itself. */
function ownStore(facts: Facts): Remark {
  const several = facts.deployment.several ?? forksIn(facts.sources.files);
  if (several === undefined || facts.configuration.config.caps.length === 0)
    return about(facts, "in the process: a restart forgets what was spent");
  const says = `each process has budgets of its own, and several run: ${several}`;
  return { ...about(facts, says), id: "store-not-shared", level: "note", fix: SHARED };
}

/** Why the store's client cannot be loaded from the app. */
function clientFault({ packages, isPlugAndPlay, store }: Facts): string | undefined {
  const client = store.kind?.client;
  if (isPlugAndPlay || client === undefined) return undefined;
  const { package: name, since } = client;
  const installed = packages.get(name);
  if (installed === undefined) return `needs the package ${name}, which is not installed in the app`;
  return isBelow(installed.version, since)
    ? `needs ${name} ${since} or later; the app has ${installed.version}`
    : undefined;
}

function forksIn(files: Facts["sources"]["files"]): string | undefined {
  const found = files.find(
    ({ code, imports }) => imports.some(({ name }) => /^(?:node:)?cluster$/.test(name)) && /\.fork\s*\(/.test(code),
  );
  return found && `${found.path} forks`;
}
