/** The tokens that a vendor reported, in the canonical meaning. */
export interface Tokens {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
}

/** One exchange with a model API, recorded or made up; the recordings' own README describes the same fields. */
export interface Recording {
  readonly id: string;
  readonly uri: string;
  readonly request: string;
  readonly status: number;
  readonly contentType: string;
  /** The body of the answer; a stream's is its raw event-stream text. */
  readonly response: string;
  readonly format: string;
  readonly stream: boolean;
  /** Absent where the vendor reports none. */
  readonly usage?: Tokens;
}

/** What an exchange that is made up consists of. */
export interface Exchange {
  readonly uri: string;
  readonly request: object;
  readonly status?: number;
  readonly usage?: Partial<Tokens>;
}

const NO_TOKENS: Tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 };

/** An answer in one piece. */
export function whole(format: string, name: string, exchange: Exchange, body: object): Recording {
  return made(format, name, exchange, "application/json", JSON.stringify(body));
}

/** An answer in frames, each with its blank line. */
export function stream(format: string, name: string, exchange: Exchange, frames: readonly string[]): Recording {
  return made(format, name, exchange, "text/event-stream; charset=utf-8", frames.join(""));
}

function made(
  format: string,
  name: string,
  { uri, request, status = 200, usage }: Exchange,
  contentType: string,
  response: string,
): Recording {
  return {
    id: `made-up/${format}/${name}`,
    uri,
    request: JSON.stringify(request),
    status,
    contentType,
    response,
    format,
    stream: contentType.startsWith("text/event-stream"),
    ...(usage && { usage: { ...NO_TOKENS, ...usage } }),
  };
}
