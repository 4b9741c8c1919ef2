import { QueryFault } from "./tokens.ts";

/** The parsed filter between the braces of a metric query. */
export type Filter =
  | { readonly type: "all" }
  | { readonly type: "tag"; readonly key: string; readonly value: string }
  /** `$name`, or `$name.value` as the value of a key of its own. */
  | { readonly type: "variable"; readonly name: string; readonly key?: string }
  | { readonly type: "not"; readonly of: Filter }
  | { readonly type: "and" | "or"; readonly of: readonly Filter[] };

const TOKEN = /\s*(,|\(|\)|!|[^\s,()!]+)/y;
const TAG = /^([A-Za-z][\w.\-/]*):(.+)$/;
/** A tag without a value. */
const BARE = /^[A-Za-z][\w.\-/]*$/;
const VARIABLE = /^\$([A-Za-z]\w*)(\.value)?$/;

/**
 * Reads `*`, `agent:a,!team:b`, `agent:a AND (team:b OR team:c*)`, `agent IN (a,b)`, `agent NOT IN (a)`, `$agent`.
 * @param at Where the text begins in its query, for the fault.
 * @throws QueryFault
 */
export function parseFilter(text: string, at = 0): Filter {
  const words: { text: string; at: number }[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found !== null; found = TOKEN.exec(text)) {
    const word = found[1] as string;
    words.push({ text: word, at: at + TOKEN.lastIndex - word.length });
  }
  let next = 0;
  const peek = (ahead = 0): string | undefined => words[next + ahead]?.text;
  const is = (word: string, ahead = 0): boolean => peek(ahead)?.toUpperCase() === word;
  const fault = (message: string): QueryFault => new QueryFault(message, words[next]?.at ?? at + text.length);

  function either(): Filter {
    const parts = [all()];
    while (is("OR")) {
      next += 1;
      parts.push(all());
    }
    return join("or", parts);
  }

  function all(): Filter {
    const parts = [one()];
    while (is("AND") || is(",")) {
      next += 1;
      parts.push(one());
    }
    return join("and", parts);
  }

  function one(): Filter {
    if (is("!") || is("NOT")) {
      next += 1;
      return { type: "not", of: one() };
    }
    if (is("(")) {
      next += 1;
      const inner = either();
      if (!is(")")) throw fault('a ")" is missing in the filter');
      next += 1;
      return inner;
    }
    const word = peek();
    if (word === undefined || word === "," || word === ")") throw fault("a tag is missing in the filter");
    if (is("IN", 1)) return list(word, 2, false);
    if (is("NOT", 1) && is("IN", 2)) return list(word, 3, true);
    const read = readTag(word);
    if (read === undefined) throw fault(`"${word}" in a filter is neither key:value nor $variable nor *`);
    next += 1;
    return read;
  }

  function list(key: string, words: number, negated: boolean): Filter {
    next += words;
    if (!is("(")) throw fault('IN needs a list such as (a,b), a "(" is missing');
    const of: Filter[] = [];
    do {
      next += 1;
      const value = peek();
      if (value === undefined || value === "," || value === ")") throw fault("a value is missing in the list of IN");
      of.push({ type: "tag", key, value: value.toLowerCase() });
      next += 1;
    } while (is(","));
    if (!is(")")) throw fault('the list of IN lacks its ")"');
    next += 1;
    return negated ? { type: "not", of: join("or", of) } : join("or", of);
  }

  const filter = either();
  if (next < words.length) throw fault(`"${peek()}" is not expected here in the filter`);
  return filter;
}

function readTag(word: string): Filter | undefined {
  if (word === "*") return { type: "all" };
  const variable = VARIABLE.exec(word);
  if (variable) return { type: "variable", name: variable[1] as string };
  const [, key, value] = TAG.exec(word) ?? [];
  if (key === undefined || value === undefined)
    return BARE.test(word) ? { type: "tag", key: word, value: "" } : undefined;
  const inner = VARIABLE.exec(value);
  if (inner) return { type: "variable", name: inner[1] as string, key };
  return { type: "tag", key, value: value.toLowerCase() };
}

function join(type: "and" | "or", of: readonly Filter[]): Filter {
  return of.length === 1 ? (of[0] as Filter) : { type, of };
}

/** Whether a filter matches a series with these tags, a list of values for each key. */
export type Matches = (tags: ReadonlyMap<string, readonly string[]>) => boolean;

/** Compiles a filter to a function. Variables match everything: bind them first with {@link bindVariables}. */
export function compileFilter(filter: Filter): Matches {
  switch (filter.type) {
    case "all":
    case "variable":
      return () => true;
    case "not": {
      const inner = compileFilter(filter.of);
      return (tags) => !inner(tags);
    }
    case "tag": {
      const { key, value } = filter;
      if (!value.includes("*")) return (tags) => tags.get(key)?.includes(value) === true;
      const pattern = new RegExp(`^${value.split("*").map(literal).join(".*")}$`);
      return (tags) => tags.get(key)?.some((one) => pattern.test(one)) === true;
    }
    default: {
      const parts = filter.of.map(compileFilter);
      return filter.type === "and"
        ? (tags) => parts.every((part) => part(tags))
        : (tags) => parts.some((part) => part(tags));
    }
  }
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/** The filter with template variables filled in. One that is `*`, or without a value, matches everything. */
export function bindVariables(
  filter: Filter,
  valueOfVariable: (name: string) => { readonly key: string; readonly value: string } | undefined,
): Filter {
  if (filter.type === "variable") {
    const bound = valueOfVariable(filter.name);
    if (bound === undefined || bound.value === "*") return { type: "all" };
    return { type: "tag", key: filter.key ?? bound.key, value: bound.value.toLowerCase() };
  }
  if (filter.type === "not") return { type: "not", of: bindVariables(filter.of, valueOfVariable) };
  if (filter.type === "and" || filter.type === "or")
    return { type: filter.type, of: filter.of.map((one) => bindVariables(one, valueOfVariable)) };
  return filter;
}

/** Every tag and variable in a filter. */
export function leavesOf(filter: Filter): readonly Extract<Filter, { type: "tag" | "variable" }>[] {
  if (filter.type === "tag" || filter.type === "variable") return [filter];
  if (filter.type === "not") return leavesOf(filter.of);
  return filter.type === "all" ? [] : filter.of.flatMap(leavesOf);
}
