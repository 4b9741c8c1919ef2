import { type Config, readCommandConfig } from "../../../config/config.ts";
import { didYouMean } from "../../../core/nearest.ts";
import { NO_USAGE } from "../../../core/usage.ts";
import { HOSTS } from "../../../meter/wire/hosts.ts";
import { explain } from "../../../pricing/explain.ts";
import { createSources } from "../../../pricing/library.ts";
import type { PriceQuery, Quote, QuoteSource } from "../../../pricing/price.ts";
import { readDay } from "../../../terminal/day.ts";
import { usage } from "../command.ts";
import type { Values } from "../prices.ts";
import { checkMetered } from "./check.ts";
import { type Found, toJson, toText } from "./forms.ts";

/** Vendors that sell other makers' models at the makers' price: they would only repeat it. */
const PASS_ON: ReadonlySet<string> = new Set(["vercel", "cloudflare", "portkey"]);
const PROVIDERS = [...new Set(HOSTS.map(({ provider }) => provider))].sort();

/** Prints prices of a model, or metered models without one. Resolves to the exit code. */
export async function run(values: Values, words: readonly string[]): Promise<number> {
  const [model, ...more] = words;
  if (more.length > 0) throw usage(`name one model at a time, not ${words.join(", ")}`);
  if (values.check !== true && model === undefined) throw usage("name a model, such as gpt-5, or use --check");
  if (values.check === true && model !== undefined) throw usage("--check takes no model: it lists those of the ledger");
  if (values.from !== undefined && values.check !== true) throw usage("--from needs --check; a price's day is --at");
  const config = readCommandConfig((message) => console.error(`spendfuse prices: ${message}`));
  checkProvider(values.provider, config);
  const sources = createSources({
    library: await import("@pydantic/genai-prices"),
    prices: config.prices ?? [],
    localServers: config.localServers ?? "unknown",
  });
  if (values.check === true) return checkMetered(values, config, sources);
  return show(values, model as string, sources);
}

/** @throws SpendfuseError `SPENDFUSE_USAGE` for a vendor that neither spendfuse nor the configuration knows. */
function checkProvider(asked: string | undefined, { hosts = [], prices = [] }: Config): void {
  if (asked === undefined) return;
  const own = [...hosts, ...prices].flatMap(({ provider }) => provider ?? []);
  const known = [...PROVIDERS, ...own];
  if (known.includes(asked)) return;
  throw usage(
    `--provider: there is no vendor "${asked}"${didYouMean(asked, known) || `; there are ${known.join(", ")}`}`,
  );
}

function show(values: Values, model: string, sources: readonly QuoteSource[]): number {
  const at = values.at === undefined ? Date.now() : readDay("--at", values.at);
  const providers = values.provider === undefined ? PROVIDERS.filter((name) => !PASS_ON.has(name)) : [values.provider];
  const all = providers.flatMap((provider) =>
    find(sources, { provider, model, at, tier: values.tier, usage: NO_USAGE }),
  );
  // The price of a similar name is only of use where there is no other.
  const same = all.filter(({ quote }) => quote.sameModel);
  const found = same.length > 0 ? same : all;
  for (const line of values.json === true ? toJson(found) : toText(found, at)) console.log(line);
  if (found.length > 0) return 0;
  console.error(`spendfuse prices: ${nothing(model, values)}`);
  return 1;
}

function find(sources: readonly QuoteSource[], query: PriceQuery): readonly Found[] {
  const quote: Quote | undefined = explain(sources, query);
  return quote === undefined ? [] : [{ query, quote }];
}

function nothing(model: string, { provider, tier, at }: Values): string {
  const where = provider === undefined ? "at any vendor" : `at ${provider}`;
  const when = at === undefined ? "" : ` on ${at}`;
  const how = tier === undefined ? "" : ` at tier ${tier}`;
  const row = `{ "model": "${model}", "inputPerMTok": …, "outputPerMTok": … }`;
  return `${model} has no known price ${where}${how}${when}: give it one in the configuration, "prices": [${row}]`;
}
