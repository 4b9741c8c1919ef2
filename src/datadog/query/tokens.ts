/** A piece of a query. `at` is where it begins, in characters. */
export type Token =
  | { readonly kind: "number"; readonly value: number; readonly text: string; readonly at: number }
  | { readonly kind: "text"; readonly text: string; readonly at: number }
  | { readonly kind: "word"; readonly text: string; readonly at: number }
  /** The raw text between braces. */
  | { readonly kind: "braces"; readonly text: string; readonly at: number }
  | { readonly kind: "sign"; readonly text: string; readonly at: number };

/** A query that cannot be read, and where. */
export class QueryFault extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(`${message} (at character ${at + 1})`);
    this.name = "QueryFault";
    this.at = at;
  }
}

const PATTERNS: readonly (readonly [Exclude<Token["kind"], "text" | "braces">, RegExp])[] = [
  ["number", /(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y],
  // With the shifts of change queries, such as 1h_ago.
  ["word", /[A-Za-z_$][\w.$]*|\d+[mhd]_ago/y],
  ["sign", />=|<=|==|!=|[-+*/()<>,:=.]/y],
];

/** @throws QueryFault for what belongs to no query. */
export function tokenize(query: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < query.length) {
    const char = query[at] as string;
    if (/\s/.test(char)) {
      at += 1;
      continue;
    }
    const closing = char === "{" ? "}" : char === "'" || char === '"' ? char : undefined;
    if (closing !== undefined) {
      const end = query.indexOf(closing, at + 1);
      if (end < 0) throw new QueryFault(`the ${char} is never closed`, at);
      tokens.push({ kind: char === "{" ? "braces" : "text", text: query.slice(at + 1, end), at });
      at = end + 1;
      continue;
    }
    const token = match(query, at);
    if (token === undefined) throw new QueryFault(numberFault(query, at) ?? `"${char}" belongs to no query`, at);
    tokens.push(token);
    at += token.text.length;
  }
  return tokens;
}

function match(query: string, at: number): Token | undefined {
  for (const [kind, pattern] of PATTERNS) {
    // A number such as .5 has to be written with its zero.
    pattern.lastIndex = at;
    const text = pattern.exec(query)?.[0];
    if (text === undefined) continue;
    return kind === "number" ? { kind, value: Number(text), text, at } : { kind, text, at };
  }
  return undefined;
}

function numberFault(query: string, at: number): string | undefined {
  const text = /[\d.]+\w*/y;
  text.lastIndex = at;
  const found = text.exec(query)?.[0];
  return found === undefined ? undefined : `"${found}" is no number`;
}
