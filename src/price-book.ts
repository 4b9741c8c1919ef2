import type { Config } from "./config.ts";
import { createPriceBook, type PriceSource } from "./core/price.ts";

export async function openPriceBook(_config: Config): Promise<PriceSource> {
  return createPriceBook({ sources: [(q) => ({ nanoUsd: q.usage.input * 1000 + q.usage.output * 4000, exact: true })] });
}
