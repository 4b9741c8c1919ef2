import type { TermsRow } from "../rows.ts";

export const TERMS: readonly TermsRow[] = [
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
    providers: ["gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"],
    by: "tier",
    values: ["provisioned_throughput"],
    effect: "commitment",
    source: "Vertex AI provisioned throughput is paid by the week or month",
  },
  {
    providers: ["aws.bedrock"],
    by: "tier",
    values: ["reserved"],
    effect: "commitment",
    source:
      "docs.aws.amazon.com service-tiers-inference: a fixed price per 1,000 tokens a minute; overflow is standard",
  },
  // Azure's responses do not say that a deployment is provisioned (PTU): its owner gives it a price row of zero.
  // AWS publishes no number for Bedrock's flex and priority, Mistral none for priority: unpriced.
  {
    providers: ["groq"],
    by: "tier",
    values: ["flex"],
    effect: 1,
    source: "console.groq.com/docs/flex-processing: the same price as on demand",
  },
  {
    providers: ["groq"],
    by: "tier",
    values: ["performance"],
    effect: "commitment",
    source: "console.groq.com/docs/performance-tier: provisioned capacity instead of per-token usage",
  },
];
