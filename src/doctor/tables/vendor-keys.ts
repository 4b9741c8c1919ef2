/** A vendor's API key in the environment, and how to check whether the vendor accepts it. */
export interface VendorKey {
  readonly vendor: string;
  /** Variables of the key; the first that is set is checked. */
  readonly keys: readonly string[];
  /** The variable of the address, and its default. */
  readonly urlVariable: string;
  readonly url: string;
  /** Lists the models, which is free. */
  readonly path: string;
  readonly headers: (key: string) => Readonly<Record<string, string>>;
  /** Statuses that reject a key. */
  readonly rejects: readonly number[];
}

export const VENDOR_KEYS: readonly VendorKey[] = [
  {
    vendor: "OpenAI",
    keys: ["OPENAI_API_KEY"],
    urlVariable: "OPENAI_BASE_URL",
    url: "https://api.openai.com/v1",
    path: "/models",
    headers: (key) => ({ authorization: `Bearer ${key}` }),
    rejects: [401, 403],
  },
  {
    vendor: "Anthropic",
    keys: ["ANTHROPIC_API_KEY"],
    urlVariable: "ANTHROPIC_BASE_URL",
    url: "https://api.anthropic.com",
    path: "/v1/models",
    headers: (key) => ({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
    rejects: [401, 403],
  },
  {
    vendor: "Google",
    keys: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    urlVariable: "GOOGLE_GEMINI_BASE_URL",
    url: "https://generativelanguage.googleapis.com",
    path: "/v1beta/models",
    headers: (key) => ({ "x-goog-api-key": key }),
    // An invalid key is a 400 here.
    rejects: [400, 401, 403],
  },
];
