import { existsSync, readFileSync } from "node:fs";

/** One exchange with a LiteLLM proxy, and what it cost by the proxy's own log. */
export interface ProxyExchange {
  readonly case: string;
  readonly path: string;
  readonly request: object;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly response: string;
  /**
   * USD. `free`: nothing was owed, though the answer need not say so. `unknown`: the proxy knows no price. `estimate`: the
   * answer says neither its cost nor its usage.
   */
  readonly usd: number | "free" | "unknown" | "estimate";
}

const FILE = new URL("../../../shared/reference/litellm-exchanges.jsonl", import.meta.url);

/** Recorded from a proxy. They lie beside the project and not in it; undefined where they are not there. */
export const recordedExchanges: readonly ProxyExchange[] | undefined = existsSync(FILE)
  ? readFileSync(FILE, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ProxyExchange)
  : undefined;
