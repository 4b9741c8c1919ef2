import { isSpendfuseError } from "../core/errors.ts";
import { openStore } from "../stores/open.ts";

/** A network request that a check needs. Its answer is found by `id`. */
export type Question =
  | {
      readonly id: string;
      readonly kind: "http";
      readonly url: string;
      readonly method?: "GET" | "POST";
      /** May hold secrets: never print them. */
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array<ArrayBuffer>;
    }
  /** `address` as configured, which may hold a password. */
  | { readonly id: string; readonly kind: "store"; readonly address: string };

/** `text` is the beginning of the body, not to be printed. `failure` is why there was no answer. */
export type Answer = { readonly status: number; readonly text: string } | { readonly failure: string };

export type Answers = ReadonlyMap<string, Answer>;

const TIMEOUT_MS = 3_000;
const LATE: Answer = { failure: `no answer within ${TIMEOUT_MS / 1_000} s` };
const MAX_TEXT = 4_000;

/** Asks everything in parallel, with a timeout of 3 seconds each. Never rejects. */
export async function askAll(questions: readonly Question[]): Promise<Answers> {
  const answers = await Promise.all(questions.map(async (question) => [question.id, await ask(question)] as const));
  return new Map(answers);
}

function ask(question: Question): Promise<Answer> {
  return question.kind === "http" ? askServer(question) : inTime(askStore(question.address));
}

async function askServer({ url, method = "GET", headers = {}, body }: Question & { kind: "http" }): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method,
      headers,
      ...(body !== undefined && { body }),
      // A key is sent to the configured host only.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, text: (await response.text()).slice(0, MAX_TEXT) };
  } catch (error) {
    return failureOf(error);
  }
}

/** A code of the network in words; the code stays, to be searched for. */
export function whatFailed(code: string): string {
  const words = FAILURES[code];
  return words === undefined ? code : `${words} (${code})`;
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOTFOUND: "no network here, or no such host name",
  EAI_AGAIN: "no network here, or DNS does not answer",
  ENETUNREACH: "no network here",
  EHOSTUNREACH: "no route to this host",
  ENETDOWN: "no network here",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  ETIMEDOUT: "no answer in time: a firewall may drop it",
  UND_ERR_CONNECT_TIMEOUT: "no answer in time: a firewall may drop it",
  SELF_SIGNED_CERT_IN_CHAIN: "a certificate of no known authority: NODE_EXTRA_CA_CERTS can name it",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "a certificate of no known authority: NODE_EXTRA_CA_CERTS can name it",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "a certificate of no known authority: NODE_EXTRA_CA_CERTS can name it",
};

/** Uses codes only: fetch's messages may hold an address or a header. */
function failureOf(error: unknown): Answer {
  const { name, cause } = error as { readonly name?: string; readonly cause?: { readonly code?: unknown } };
  if (name === "TimeoutError") return LATE;
  if (typeof cause?.code === "string") return { failure: whatFailed(cause.code) };
  return { failure: "invalid request: check address and key for stray characters" };
}

async function askStore(address: string): Promise<Answer> {
  try {
    const store = await openStore(address);
    try {
      await store.circuits();
    } finally {
      await store.close();
    }
    return { status: 200, text: "" };
  } catch (error) {
    return { failure: isSpendfuseError(error) ? error.message : "cannot open it: check the address" };
  }
}

async function inTime(answer: Promise<Answer>): Promise<Answer> {
  const late = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => late.resolve(LATE), TIMEOUT_MS);
  const first = await Promise.race([answer, late.promise]);
  clearTimeout(timer);
  return first;
}
