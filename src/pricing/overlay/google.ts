import type { FeeRow } from "../fees.ts";
import type { TermsRow } from "../rows.ts";
import type { VendorPrices } from "./vendor-prices.ts";

const GOOGLE = ["gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"] as const;
const PAGE = "ai.google.dev/gemini-api/docs/pricing";
const ALLOWANCE = "what is free a day or month belongs to the account";

const terms: readonly TermsRow[] = [
  // Gemini priority costs "75 % to 100 % more", off-peak is not published, Vertex flex neither: unpriced.
  {
    providers: ["gcp.gemini"],
    by: "tier",
    values: ["flex", "service_tier_flex", "batch"],
    effect: 0.5,
    inexact: true,
    source: "ai.google.dev/gemini-api/docs/optimization: 50 % discount; whether on cache reads too [unconfirmed]",
  },
  {
    providers: GOOGLE,
    by: "tier",
    values: ["provisioned_throughput"],
    effect: "commitment",
    source: "Vertex AI provisioned throughput is paid by the week or month",
  },
  {
    providers: ["gcp.vertex_ai"],
    by: "geo",
    values: ["regional"],
    families: ["claude-3"],
    effect: 1,
    source: "platform.claude.com/docs/en/about-claude/pricing: no premium before Sonnet 4.5, Haiku 4.5 and Opus 4.5",
  },
  {
    providers: ["gcp.vertex_ai"],
    by: "geo",
    values: ["regional"],
    models: ["claude-opus-4", "claude-opus-4-1", "claude-sonnet-4"],
    effect: 1,
    source: "platform.claude.com/docs/en/about-claude/pricing: no premium before Sonnet 4.5, Haiku 4.5 and Opus 4.5",
  },
  {
    providers: ["gcp.vertex_ai"],
    by: "geo",
    values: ["regional"],
    families: ["claude"],
    effect: 1.1,
    source: "platform.claude.com/docs/en/about-claude/pricing: regional and multi-region endpoints cost 10 % more",
  },
  {
    providers: ["gcp.vertex_ai"],
    by: "geo",
    values: ["regional"],
    families: ["gemini-1", "gemini-2", "text-embedding", "gemini-embedding"],
    effect: 1,
    source: "cloud.google.com/vertex-ai/generative-ai/pricing: one price for all endpoints of these models",
  },
  {
    providers: ["gcp.vertex_ai"],
    by: "geo",
    values: ["regional"],
    families: ["gemini"],
    effect: 1.1,
    inexact: true,
    source: "price lists of gateways add 10 % for endpoints that are not global [secondary]",
  },
  {
    providers: ["gcp.vertex_ai"],
    by: "geo",
    values: ["regional"],
    effect: 1,
    inexact: true,
    source: "no premium of other models' regional endpoints is published [unconfirmed]",
  },
];

const fees: readonly FeeRow[] = [
  {
    providers: GOOGLE,
    families: ["gemini-1", "gemini-2"],
    part: "web_search",
    perThousand: 35,
    once: true,
    unless: "web_search_allowance",
    source: `${PAGE}: $35 per 1,000 grounded prompts, however many queries; ${ALLOWANCE}`,
  },
  {
    providers: GOOGLE,
    families: ["gemini-3"],
    part: "web_search",
    perThousand: 14,
    unless: "web_search_allowance",
    source: `${PAGE}: $14 per 1,000 search queries, equal ones of a prompt once, empty ones never; ${ALLOWANCE}`,
  },
  {
    providers: ["gcp.vertex_ai"],
    part: "enterprise_web_search",
    perThousand: 45,
    once: true,
    source: "cloud.google.com/vertex-ai/generative-ai/pricing: $45 per 1,000 prompts [unconfirmed]",
  },
  {
    providers: GOOGLE,
    families: ["gemini-1", "gemini-2"],
    part: "maps_grounding",
    perThousand: 25,
    once: true,
    unless: "maps_grounding_allowance",
    source: `${PAGE}: $25 per 1,000 prompts grounded with Google Maps [unconfirmed]; ${ALLOWANCE}`,
  },
  // Maps with Gemini 3, and data stores on Vertex AI, have no row: partial.
  {
    providers: ["gcp.gemini"],
    part: "data_grounding",
    perThousand: 0,
    source: `${PAGE}: file search is paid when files are indexed, and by the tokens that it retrieves`,
  },
];

export const google: VendorPrices = { name: "google", terms, fees };
