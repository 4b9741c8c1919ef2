/** How the events of a stream are written, by the name of its row in `framings.ts`. */
export type FramingName = "sse" | "eventstream" | "message";

/** One address at which a model API serves a wire format. */
export interface Endpoint {
  /** `WEBSOCKET` for the handshake of a WebSocket. */
  readonly method: "GET" | "POST" | "WEBSOCKET";
  /**
   * The end of the URL's path, from a slash on, such as `/chat/completions`. A name in braces matches any text within
   * one segment; `{model}` is the model: `/model/{model}/converse`, `/{model}:generateContent`. `{arn}` is a model that may
   * be an ARN of AWS, with a slash in it.
   */
  readonly path: string;
  /** Whether the answer is a stream, where the path decides it; absent where the request's body does. */
  readonly stream?: boolean;
  /** How its streams are framed; absent: server-sent events. */
  readonly framing?: FramingName;
  /**
   * What identifies a request to a host that is not in `hosts.ts` as this one, without its body. Absent: the
   * path is ambiguous, and such a request is not counted as unmetered.
   */
  readonly evidence?: Evidence;
}

/** `{}`: the path alone is enough. */
export interface Evidence {
  /** A longer end of the path. */
  readonly path?: string;
  /** A header, in lower case, that has to be there as well. */
  readonly header?: string;
}

/** The endpoint that a request goes to, and the model that its path names. */
export interface Route {
  readonly endpoint: Endpoint;
  readonly model: string | undefined;
}

/** Formats, each with its addresses. */
interface Addressed {
  readonly endpoints: readonly Endpoint[];
}

/** Finds the first format with an endpoint for a request; `path` is without its query. */
export type FindRoute<Format> = (
  method: string,
  path: string,
) => { readonly format: Format; readonly route: Route } | undefined;

export function createRouter<Format extends Addressed>(formats: readonly Format[]): FindRoute<Format> {
  const rows = formats.flatMap((format) =>
    format.endpoints.map((endpoint) => ({ format, endpoint, pattern: patternOf(endpoint.path) })),
  );
  return (method, path) => {
    for (const { format, endpoint, pattern } of rows) {
      if (endpoint.method !== method) continue;
      const match = pattern.exec(path);
      if (match !== null) return { format, route: { endpoint, model: decode(match[1]) } };
    }
    return undefined;
  };
}

const ARN = "([^/]+|arn:[^/]+/[^/]+)";

/** A pattern that a path without its query ends with; its one group is the model. */
export function patternOf(path: string): RegExp {
  const source = piecesOf(path).map((piece) =>
    piece === "{model}" ? "([^/]+)" : piece === "{arn}" ? ARN : isPlaceholder(piece) ? "[^/]+" : escaped(piece),
  );
  return new RegExp(`${source.join("")}$`);
}

/**
 * A pattern that is found in every URL of these formats but those of WebSockets, and in few others: the one check that every other request of
 * the process costs. It looks for the longest fixed part of each path.
 */
export function hintOf(formats: readonly Addressed[]): RegExp {
  const paths = formats.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ method, path }) => (method === "WEBSOCKET" ? [] : [path])),
  );
  const hints = [...new Set(paths.map(longestPart))].sort((a, b) => a.length - b.length).map(hintFor);
  const needed = hints.filter(
    ({ text }, at) => !hints.slice(0, at).some(({ source }) => new RegExp(source).test(text)),
  );
  return new RegExp(needed.length === 0 ? "(?!)" : needed.map(({ source }) => source).join("|"));
}

function hintFor(text: string): { readonly text: string; readonly source: string } {
  // A letter after a letter makes another word; after a sign, a placeholder may follow.
  return { text, source: escaped(text) + (/[a-zA-Z0-9]$/.test(text) ? "\\b" : "") };
}

function longestPart(path: string): string {
  const parts = piecesOf(path).filter((piece) => !isPlaceholder(piece));
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), "");
}

/** The fixed parts of a path and its placeholders, in their order. */
function piecesOf(path: string): readonly string[] {
  return path.split(/(\{\w+\})/).filter((piece) => piece !== "");
}

const isPlaceholder = (piece: string): boolean => /^\{\w+\}$/.test(piece);

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Some clients write a model's `:` and `@` as escapes. */
function decode(model: string | undefined): string | undefined {
  if (model === undefined || !model.includes("%")) return model;
  try {
    return decodeURIComponent(model);
  } catch {
    return model;
  }
}
