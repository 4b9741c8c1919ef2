/** A vendor's own cap, as read from its error. */
export interface VendorCap {
  readonly code: string;
  readonly message: string;
  /** When access resumes, if the error names it; milliseconds since the epoch. */
  readonly until?: number;
}

interface CapRow {
  readonly status: number | readonly number[];
  readonly code?: RegExp;
  readonly message?: RegExp;
  /** What the cap is called where the error has no code of its own. */
  readonly name?: string;
}

/** Errors that retries do not resolve, from the vendors' documentation and public reports. */
const CAPS: readonly CapRow[] = [
  // OpenAI: prepaid credit or the organisation's limit is used up; hard limits of a project or an organisation.
  { status: 429, code: /^insufficient_quota$/ },
  { status: 429, code: /_spend_limit_exceeded$/ },
  // Anthropic: the limit that the account set for itself, by its text alone; and the limit of its tier.
  { status: 400, message: /reached your specified (?:workspace )?API usage limits/i, name: "usage_limit_reached" },
  { status: 429, code: /^enforced_spend_limit_reached$/ },
  // LiteLLM: the budget of a key, a team or a user; of a provider, a deployment or a tag. Recorded from 1.108: 422 with a
  // type or, from a hook of the operator's, with the text alone; older versions answer 400 or 429.
  { status: [400, 422, 429], code: /^budget_exceeded$/ },
  {
    status: [400, 422, 429],
    message: /^(?:\w+: )?Budget has been exceeded!|\bExceeded\w*Budget:/i,
    name: "budget_exceeded",
  },
  { status: 429, message: /\bcrossed budget: Exceeded budget for /i, name: "provider_budget_exceeded" },
  // LiteLLM hands on a vendor's cap with its text alone, and a type of its own. Google writes the same text when a quota
  // of a minute is used up, which is no cap.
  {
    status: 429,
    message: /^litellm\.\w+: .*\b(?:OpenAI|Azure)\w*Exception - .*exceeded your current quota/s,
    name: "insufficient_quota",
  },
  { status: 429, message: /^litellm\.\w+: .*\binsufficient_quota\b/s, name: "insufficient_quota" },
  {
    status: 429,
    message: /^litellm\.\w+: .*\b(?:\w+_spend_limit_exceeded|enforced_spend_limit_reached)\b/s,
    name: "spend_limit",
  },
];

/** Characters of a message in which a cap is looked for. */
const MAX_MESSAGE = 4_000;
const RETURNS = /regain access on (\d{4}-\d{2}-\d{2})(?: at (\d{2}:\d{2}) UTC)?/i;

/** Reads the vendor's own cap out of an error's parsed body; undefined for every other error. */
export function readVendorCap(status: number, body: unknown): VendorCap | undefined {
  const error = field(body, "error") ?? body;
  const codes = [field(error, "code"), field(error, "type"), field(field(error, "details"), "error_code")];
  const message = String(field(error, "message") ?? "").slice(0, MAX_MESSAGE);
  for (const row of CAPS) {
    if (row.status !== status && !(typeof row.status === "object" && row.status.includes(status))) continue;
    const code = row.code && codes.find((one) => typeof one === "string" && row.code?.test(one));
    if (code === undefined && !row.message?.test(message)) continue;
    const [, day, time = "00:00"] = RETURNS.exec(message) ?? [];
    const until = day === undefined ? {} : { until: Date.parse(`${day}T${time}Z`) };
    return { code: typeof code === "string" ? code : (row.name ?? "cap"), message: message.slice(0, 300), ...until };
  }
  return undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
