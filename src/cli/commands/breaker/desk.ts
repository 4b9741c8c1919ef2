import type { BudgetRow, BudgetVerb } from "../../../breaker/budgets/changes.ts";
import { tellAll } from "../../../breaker/budgets/reload.ts";
import type { BudgetRequest } from "../../../breaker/budgets/requests.ts";
import { createOperations } from "../../../breaker/operations.ts";
import type { Config } from "../../../config/config.ts";
import { SpendfuseError } from "../../../core/errors.ts";
import { readDuration } from "../../../core/period.ts";
import type { Answer } from "../../../http/exchange.ts";
import type { Circuit } from "../../../limits/circuit.ts";
import { eitherOf, SHARED_STORE_FORMS, shownStore, storeKindOf } from "../../../stores/addresses.ts";
import { openStore } from "../../../stores/open.ts";
import type { AuditEntry, Count } from "../../../stores/store.ts";
import { callBreaker } from "./client.ts";

/** What an operator's commands act on: a running breaker, or a store. All reject with a SpendfuseError. */
export interface Desk {
  circuits(): Promise<{ readonly circuits: readonly Circuit[] }>;
  /** `why`: the reason for missing counts. */
  counts(limit: number): Promise<{ readonly counts: readonly Count[]; readonly why?: string }>;
  audit(limit: number): Promise<readonly AuditEntry[]>;
  change(verb: "trip" | "reset", order: object): Promise<Changed>;
  /** How the configured budgets stand, at most `limit`. */
  budgets(limit: number): Promise<readonly BudgetRow[]>;
  changeBudget(verb: BudgetVerb, order: object): Promise<BudgetRow>;
  /** Raises that are asked for, the newest first; with `all`, also those that are answered or over. */
  requests(all: boolean): Promise<readonly BudgetRequest[]>;
  request(order: object): Promise<BudgetRequest>;
  approve(order: object): Promise<BudgetRow>;
  deny(order: object): Promise<BudgetRequest>;
  /** Makes all processes read their configuration again. Returns what was done, for people. */
  reload(order: { readonly by?: string | undefined; readonly reason?: string | undefined }): Promise<string>;
  close(): Promise<void>;
}

interface Requests {
  readonly requests: readonly BudgetRequest[];
}

interface Requested {
  readonly request: BudgetRequest;
}

export interface Changed {
  readonly scope: string;
  readonly state: Circuit["state"];
  readonly until?: number;
  readonly why: string;
  /** See `IncidentAnswer`. */
  readonly also?: readonly string[];
  readonly alerting?: readonly { readonly monitor: string; readonly scope: string }[];
  readonly stillOpen?: readonly string[];
}

/** @throws SpendfuseError `SPENDFUSE_USAGE` for a store that no other process can use, else what the store throws. */
export async function openDesk(
  config: Config,
  { store, url }: { readonly store?: string; readonly url?: string },
): Promise<Desk> {
  if (store === undefined) return breakerDesk(config, url);
  if (storeKindOf(store)?.reach === "process") {
    const message = `a store "${store}" lives in one process: name ${eitherOf(SHARED_STORE_FORMS)}, or a breaker with --url`;
    throw new SpendfuseError("SPENDFUSE_USAGE", message, { store });
  }
  return storeDesk(config, store);
}

function breakerDesk(config: Config, url: string | undefined): Desk {
  return {
    circuits: () => callBreaker(config, url, "GET", "/circuits"),
    // Circuits are public, counts need a token: without one, circuits are still shown.
    counts: (limit) =>
      callBreaker<{ counts: readonly Count[] }>(config, url, "GET", `/budgets?limit=${limit}`).catch(
        (error: Error) => ({
          counts: [],
          why: `what budgets have spent is not shown: ${error.message}`,
        }),
      ),
    audit: async (limit) =>
      (await callBreaker<{ entries: readonly AuditEntry[] }>(config, url, "GET", `/audit?limit=${limit}`)).entries,
    change: (verb, order) => callBreaker(config, url, "POST", `/circuits/${verb}`, order),
    budgets: async (limit) =>
      (await callBreaker<{ budgets: readonly BudgetRow[] }>(config, url, "GET", `/budgets?limit=${limit}`)).budgets,
    changeBudget: (verb, order) => callBreaker(config, url, "POST", `/budgets/${verb}`, order),
    requests: async (all) =>
      (await callBreaker<Requests>(config, url, "GET", `/budgets/requests${all ? "?all=1" : ""}`)).requests,
    request: async (order) => (await callBreaker<Requested>(config, url, "POST", "/budgets/request", order)).request,
    approve: (order) => callBreaker(config, url, "POST", "/budgets/approve", order),
    deny: async (order) => (await callBreaker<Requested>(config, url, "POST", "/budgets/deny", order)).request,
    reload: async (order) => (await callBreaker<{ told: string }>(config, url, "POST", "/budgets/reload", order)).told,
    close: async () => {},
  };
}

async function storeDesk(config: Config, address: string): Promise<Desk> {
  const store = await openStore(address);
  const operations = createOperations(
    store,
    readDuration(config.breaker?.ttl),
    Date.now,
    config.tags,
    () => config.caps,
  );
  return {
    circuits: async () => bodyOf(await operations.circuits(false)),
    counts: async (limit) => bodyOf(await operations.counts(limit)),
    audit: async (limit) => bodyOf<{ entries: readonly AuditEntry[] }>(await operations.audit(limit)).entries,
    change: async (verb, order) => bodyOf(await operations.change(verb, order)),
    budgets: async (limit) => bodyOf<{ budgets: readonly BudgetRow[] }>(await operations.counts(limit)).budgets,
    changeBudget: async (verb, order) => bodyOf(await operations.changeBudget(verb, order)),
    requests: async (all) => bodyOf<Requests>(await operations.requests(all)).requests,
    request: async (order) => bodyOf<Requested>(await operations.answerRequest("request", order)).request,
    approve: async (order) => bodyOf(await operations.answerRequest("approve", order)),
    deny: async (order) => bodyOf<Requested>(await operations.answerRequest("deny", order)).request,
    async reload({ by = "operator", reason }) {
      const told = `all processes of ${shownStore(address)} read their configuration again`;
      await tellAll(store, by, reason ?? told);
      return told;
    },
    close: async () => store.close(),
  };
}

function bodyOf<T>({ status, body }: Answer): T {
  if (status === 200) return body as T;
  const { error } = body as { readonly error?: { readonly message: string } };
  throw new SpendfuseError(
    "SPENDFUSE_USAGE",
    error?.message ?? `the order was refused (${status}): check the store with spendfuse budget list`,
    { status },
  );
}
