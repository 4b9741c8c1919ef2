import { isSpendfuseError } from "../core/errors.ts";
import { openStore } from "../stores/open.ts";

/** Something that only the network can tell. `id` is what the answer is found by. */
export type Question =
  | {
      readonly id: string;
      readonly kind: "http";
      readonly url: string;
      readonly method?: "GET" | "POST";
      /** Secrets are in here: never print them. */
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array<ArrayBuffer>;
    }
  | {
      readonly id: string;
      readonly kind: "store";
      /** As the configuration has it; a password may be in it. */
      readonly address: string;
    };

/** `text` is the answer's beginning, to be read and not to be shown. `failure` says why there is no answer. */
export type Answer = { readonly status: number; readonly text: string } | { readonly failure: string };

export type Answers = ReadonlyMap<string, Answer>;

const TIMEOUT_MS = 3_000;
const MAX_TEXT = 4_000;

const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name cannot be looked up",
  ECONNRESET: "the connection was cut",
  EHOSTUNREACH: "there is no way to that host",
  ENETUNREACH: "there is no network",
  UND_ERR_SOCKET: "the connection was cut",
};

/** Asks everything at once, each for 3 seconds at the most. Never rejects. */
export async function askAll(questions: readonly Question[]): Promise<Answers> {
  const answers = await Promise.all(questions.map(async (question) => [question.id, await ask(question)] as const));
  return new Map(answers);
}

function ask(question: Question): Promise<Answer> {
  return question.kind === "http" ? askServer(question) : askStore(question.address);
}

async function askServer(question: Question & { readonly kind: "http" }): Promise<Answer> {
  try {
    const response = await fetch(question.url, {
      method: question.method ?? "GET",
      ...(question.headers && { headers: question.headers }),
      ...(question.body !== undefined && { body: question.body }),
      // A key goes to the host that the configuration names, and to no other.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, text: (await response.text()).slice(0, MAX_TEXT) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

/** Messages of fetch may hold a whole address or a header: only codes are taken from them. */
function failureOf(error: unknown): string {
  const { name, cause } = error as { readonly name?: string; readonly cause?: { readonly code?: unknown } };
  if (name === "TimeoutError") return `no answer within ${TIMEOUT_MS / 1_000} s`;
  const code = typeof cause?.code === "string" ? cause.code : undefined;
  if (code === undefined) return "the request cannot be made: look at the address and the key for stray characters";
  return CODES[code] === undefined ? code : `${CODES[code]} (${code})`;
}

async function askStore(address: string): Promise<Answer> {
  const opening = openStore(address);
  const closed = opening.then(async (store) => {
    try {
      await store.circuits();
    } finally {
      await store.close();
    }
  });
  const late = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => late.resolve({ failure: `no answer within ${TIMEOUT_MS / 1_000} s` }), TIMEOUT_MS);
  const asked = closed.then(
    (): Answer => ({ status: 200, text: "" }),
    (error: unknown): Answer => ({
      failure: isSpendfuseError(error) ? error.message : "cannot open it: check the address",
    }),
  );
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
