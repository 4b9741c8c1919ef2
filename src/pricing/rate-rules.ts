import type { UsdRates } from "./rates.ts";

/** A rate that its vendor documents as a share of another one: it fills what a price list leaves out. */
interface RateRule {
  /** The beginnings of the models' keys, on every host that serves them. */
  readonly families: readonly string[];
  readonly rate: keyof UsdRates;
  readonly of: "input" | "output";
  readonly factor: number;
  readonly source: string;
}

const CLAUDE = ["claude", "databricks-claude"] as const;
const CLAUDE_CACHING =
  "platform.claude.com/docs/en/build-with-claude/prompt-caching: multipliers of the base input price, on every platform";
const GEMINI_PAGE = "ai.google.dev/gemini-api/docs/pricing";

/** No rule for cache reads of Claude: they cost 0.025, 0.05 or 0.1 of input, by model. */
const RULES: readonly RateRule[] = [
  { families: CLAUDE, rate: "cacheWrite", of: "input", factor: 1.25, source: CLAUDE_CACHING },
  { families: CLAUDE, rate: "cacheWrite1h", of: "input", factor: 2, source: CLAUDE_CACHING },
  {
    families: ["gpt-3", "gpt-4", "gpt-5", "o1", "o3", "o4", "chatgpt-4"],
    rate: "cacheWrite",
    of: "input",
    factor: 1,
    source: "developers.openai.com/api/docs/guides/prompt-caching: no fee for writes before GPT-5.6, which has a rate",
  },
  {
    families: ["gpt-3", "gpt-4", "gpt-5", "o1", "o3", "chatgpt-4"],
    rate: "cacheRead",
    of: "input",
    factor: 1,
    source: "OpenAI price page: a model without a price of cached input has no discount for it",
  },
  {
    families: ["gemini"],
    rate: "cacheWrite",
    of: "input",
    factor: 1,
    source: `${GEMINI_PAGE}: what is written to a cache is paid as input, its storage by the hour`,
  },
  {
    families: ["gemini-2-5-pro", "gemini-3-pro", "gemini-3-1-pro"],
    rate: "inputAudio",
    of: "input",
    factor: 1,
    source: `${GEMINI_PAGE}: one input price for all modalities`,
  },
  {
    families: [
      "gemini-2-5-flash-tts",
      "gemini-2-5-flash-preview-tts",
      "gemini-2-5-pro-tts",
      "gemini-2-5-pro-preview-tts",
    ],
    rate: "outputAudio",
    of: "output",
    factor: 1,
    source: `${GEMINI_PAGE}: the output price of these models is that of audio, which is all they put out`,
  },
  {
    families: ["gpt-image-1"],
    rate: "outputImage",
    of: "output",
    factor: 1,
    source:
      "OpenAI price page: the output price of GPT Image 1 and its mini is that of images, which is all they put out",
  },
];

/** The rates of a model with what its vendor's rules add to them; `key` is its `modelKey`. */
export function withRules(rates: UsdRates, key: string): UsdRates {
  let filled: { -readonly [K in keyof UsdRates]: UsdRates[K] } | undefined;
  for (const { families, rate, of, factor } of RULES) {
    const base = rates[of];
    if (rates[rate] !== undefined || base === undefined) continue;
    if (!families.some((family) => key.startsWith(family))) continue;
    filled ??= { ...rates };
    filled[rate] = base * factor;
  }
  return filled ?? rates;
}

/** The rules that fill the rates of a model, to show them: by rate, with their source. */
export function rulesOf(rates: UsdRates, key: string): ReadonlyMap<string, string> {
  const filled = RULES.filter(
    ({ families, rate }) => rates[rate] === undefined && families.some((f) => key.startsWith(f)),
  );
  return new Map(filled.map(({ rate, of, factor, source }) => [rate, `${factor} × ${of}: ${source}`]));
}
