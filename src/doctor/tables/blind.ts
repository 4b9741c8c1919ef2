import type { ConfigFile } from "../../core/config-types.ts";

/** Who sends by each transport that may be off. Programs, and their transport, have a check of their own. */
export const TRANSPORT_USERS: Readonly<
  Record<Exclude<NonNullable<ConfigFile["transportsOff"]>[number], "child-process">, string>
> = {
  fetch: "the vendors' SDKs",
  http2: "the AWS SDK",
  "node-http": "axios, got, node-fetch, needle, superagent",
  undici: "the undici package",
  websocket: "Realtime, Responses and Live on a WebSocket",
};

/** Why calls by a transport that the meter lacks are not seen. With the transport, its line and its rows go. */
export const MISSING_TRANSPORTS = {
  copilot: "a process of its own calls GitHub's servers, which the proxy does not carry",
} as const;

/** What is missing: a transport, or a wire format for an API, by its name in `UNREAD_APIS`. */
type Missing = { readonly fix: string } & (
  | { readonly transport: keyof typeof MISSING_TRANSPORTS }
  | { readonly api: string }
);

/** A package whose calls are not metered; `*` at its end matches any rest. */
export type BlindPackage = Missing & { readonly package: string };

/** A use of a package that is not metered: a file with such an import and, if given, the sign. */
export type BlindWay = Missing & {
  readonly name: string;
  readonly imports: RegExp;
  /** In the code; or the code before a string, and the string. */
  readonly sign?: RegExp | readonly [before: RegExp, text: RegExp];
};

export function whyOf(missing: Missing): string {
  return "api" in missing ? `the ${missing.api} API is not read yet` : MISSING_TRANSPORTS[missing.transport];
}

const COHERE = { api: "Cohere chat", fix: 'new OpenAI({ baseURL: "https://api.cohere.ai/compatibility/v1" })' };
const USAGE = 'session.on("assistant.usage", (event) => console.log(event.data))';

export const BLIND_PACKAGES: readonly BlindPackage[] = [
  { package: "cohere-ai", ...COHERE },
  { package: "@ai-sdk/cohere", ...COHERE },
  { package: "@langchain/cohere", ...COHERE },
  { package: "@github/copilot-sdk", transport: "copilot", fix: USAGE },
];

const GATEWAY = {
  name: "Vercel AI Gateway",
  api: "AI Gateway",
  fix: 'createOpenAICompatible({ name: "gateway", baseURL: "https://ai-gateway.vercel.sh/v1" })',
};

export const BLIND_WAYS: readonly BlindWay[] = [
  { ...GATEWAY, imports: /^@ai-sdk\/gateway$/ },
  { ...GATEWAY, imports: /^ai$/, sign: [/\bmodel\s*:\s*$/, /^[a-z0-9-]+\/[\w.:-]+$/] },
];
