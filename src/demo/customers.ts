import type { SettledCall } from "../core/call.ts";
import type { Sums } from "../core/ledger.ts";
import type { Blocked } from "../guard/blocked.ts";
import type { Style } from "../terminal/style.ts";
import { type Column, type Row, textTable } from "../terminal/table.ts";
import type { RunInScope } from "./agents.ts";
import { dollars } from "./amounts.ts";
import type { Clients } from "./clients.ts";
import type { SearchApi } from "./fake-vendor/search.ts";
import type { BilledCall } from "./fake-vendor.ts";
import { costOf } from "./spend.ts";
import type { StandIn } from "./stand-in.ts";

/** What the demo's configuration says of this part. */
export const SCOUT = "scout";
export const CUSTOMER_USD = 0.05;
export const SEARCH_USD = 0.008;
/** The first searches until its cap refuses it, the second is done before. */
const CUSTOMERS = [
  { name: "acme", rounds: 40 },
  { name: "zeta", rounds: 3 },
] as const;

export interface CustomersStage {
  readonly clients: Clients;
  readonly scope: RunInScope;
  readonly search: SearchApi;
  readonly bill: readonly BilledCall[];
  readonly settled: readonly SettledCall[];
  readonly standIn: StandIn;
  readonly ledger: (account: string) => Readonly<Sums> | undefined;
  readonly isBlocked: (error: unknown) => Blocked | undefined;
  flush(): Promise<void>;
}

export interface CustomersPart {
  readonly lines: readonly string[];
  /** Discrepancies, in words. */
  readonly problems: readonly string[];
}

/** What one customer cost. Money in nano-USD. */
interface Spend {
  readonly name: string;
  readonly calls: number;
  readonly searches: number;
  /** Metered, because the model's vendor knows no customers. */
  readonly forCalls: number;
  /** The search API's bill. */
  readonly forSearches: number;
  /** In the ledger, and as metrics. */
  readonly ledgered: number;
  readonly arrived: number;
  readonly blocked: Blocked | undefined;
}

const COLUMNS: readonly Column[] = [
  { title: "customer", width: 10 },
  { title: "calls", width: 6, align: "right" },
  { title: "searches", width: 9, align: "right" },
  { title: "calls cost", width: 13, align: "right" },
  { title: "searches cost", width: 14, align: "right" },
  { title: "in the ledger", width: 14, align: "right" },
  { title: "arrived by OTLP", width: 16, align: "right" },
];

/** One agent works for two customers with a model and a paid search API, and each customer has a cap for both. */
export async function runCustomers(stage: CustomersStage, style: Style): Promise<CustomersPart> {
  const blocked = await Promise.all(CUSTOMERS.map(({ name, rounds }) => serveCustomer(stage, name, rounds)));
  await stage.flush();
  const spends = CUSTOMERS.map(({ name }, index) => spendOf(stage, name, blocked[index]));
  const problems = [...spends.flatMap(problemsOf), ...billProblems(stage, spends)];
  return { lines: linesOf(spends, problems, style), problems };
}

/** Resolves to the refusal that ended it; undefined when it was done before. */
async function serveCustomer(
  { clients, scope, search, isBlocked }: CustomersStage,
  customer: string,
  rounds: number,
): Promise<Blocked | undefined> {
  const ask = {
    agent: SCOUT,
    model: "gpt-5",
    effort: "minimal",
    maxTokens: 40,
    prompt: "What to search for?",
  } as const;
  for (let round = 0; round < rounds; round++) {
    const refused = await scope({ agent: SCOUT, tags: { customer } }, async () => {
      try {
        await clients.openaiChat.whole(ask);
      } catch (error) {
        const found = isBlocked(error);
        if (found === undefined) throw error;
        return found;
      }
      return searchOnce(search.url, customer, isBlocked);
    });
    if (refused !== undefined) return refused;
  }
  return undefined;
}

async function searchOnce(
  url: string,
  customer: string,
  isBlocked: CustomersStage["isBlocked"],
): Promise<Blocked | undefined> {
  const response = await fetch(`${url}/search`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer search-${customer}` },
    body: JSON.stringify({ query: "night trains to the sea" }),
  });
  const answer: unknown = await response.json();
  const blocked = isBlocked(answer);
  if (!response.ok && blocked === undefined) throw new Error(`the search API answered ${response.status}`);
  return blocked;
}

function spendOf(
  { settled, search, ledger, standIn }: CustomersStage,
  name: string,
  blocked: Blocked | undefined,
): Spend {
  const calls = settled.filter(({ scope, ending }) => scope.tags?.customer === name && ending !== "blocked");
  const searches = search.bill.filter(({ customer }) => customer === name);
  return {
    name,
    calls: calls.length,
    searches: searches.length,
    forCalls: calls.reduce((sum, call) => sum + costOf(call), 0),
    forSearches: searches.reduce((sum, { cost }) => sum + cost, 0),
    ledgered: ledger(`customer:${name}`)?.cost ?? 0,
    arrived: standIn.spendBy("customer").get(name) ?? 0,
    blocked,
  };
}

const LIMIT = CUSTOMER_USD * 1e9;

function problemsOf({ name, searches, forCalls, forSearches, ledgered, arrived, blocked }: Spend): readonly string[] {
  const billed = forCalls + forSearches;
  const capped = name === CUSTOMERS[0].name;
  const checks: readonly (readonly [boolean, string])[] = [
    [ledgered === billed, `${name}: ${billed} nano-dollars were billed, ${ledgered} are in the ledger`],
    [arrived === billed, `${name}: ${billed} nano-dollars were billed, ${arrived} arrived as metrics`],
    [billed <= LIMIT, `${name} was billed ${dollars(billed, 6)} of ${dollars(LIMIT, 2)}`],
    [searches > 0, `${name} has no searches`],
    [(blocked?.scope === `customer:${name}`) === capped, `${name} was ${capped ? "not stopped" : "stopped, too"}`],
  ];
  return checks.flatMap(([holds, problem]) => (holds ? [] : [problem]));
}

/** Of all customers together the model's vendor has a bill, by the agent's key. */
function billProblems({ bill }: CustomersStage, spends: readonly Spend[]): readonly string[] {
  const billed = bill.reduce((sum, { agent, cost }) => sum + (agent === SCOUT ? cost : 0), 0);
  const metered = spends.reduce((sum, { forCalls }) => sum + forCalls, 0);
  return billed === metered ? [] : [`${SCOUT}: billed ${billed}, metered ${metered} nano-dollars`];
}

function linesOf(spends: readonly Spend[], problems: readonly string[], style: Style): readonly string[] {
  const row = ({ name, calls, searches, forCalls, forSearches, ledgered, arrived }: Spend): Row => [
    { text: name, paint: style.accent },
    String(calls),
    String(searches),
    dollars(forCalls, 9),
    dollars(forSearches, 9),
    dollars(ledgered, 9),
    dollars(arrived, 9),
  ];
  const [first] = spends;
  return [
    `${style.bold("WHAT CUSTOMERS COST")}: a model and a paid search API, by the tag "customer"`,
    ...textTable(COLUMNS, spends.map(row), { style, gap: 1 }),
    "",
    problems.length === 0
      ? style.good(
          `✓ calls and searches add up, and ${first?.name} was refused before it passed its ${dollars(LIMIT, 2)}`,
        )
      : style.bad("✗ not everything was as it had to be"),
    ...problems.map((problem) => style.bad(`✗ ${problem}`)),
  ];
}
