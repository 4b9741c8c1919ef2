import { type Filter, parseFilter } from "./filter.ts";
import { QueryFault, type Token, tokenize } from "./tokens.ts";

export type Aggregator = "avg" | "sum" | "min" | "max" | "count";

/** `sum:spendfuse.cost{*} by {agent}` */
export interface MetricQuery {
  readonly kind: "metric";
  readonly aggregator: Aggregator;
  readonly metric: string;
  readonly filter: Filter;
  readonly by: readonly string[];
  readonly at: number;
}

/** What an expression is made of. A method such as `.as_count()` is a call whose first argument precedes it. */
export type Expression =
  | MetricQuery
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  /** The name of another query, in a formula. */
  | { readonly kind: "name"; readonly name: string; readonly at: number }
  | {
      readonly kind: "call";
      readonly name: string;
      readonly method: boolean;
      readonly args: readonly Expression[];
      readonly named: Readonly<Record<string, Expression>>;
      readonly at: number;
    }
  | {
      readonly kind: "operation";
      readonly sign: "+" | "-" | "*" | "/";
      readonly left: Expression;
      readonly right: Expression;
    };

const AGGREGATORS: ReadonlySet<string> = new Set(["avg", "sum", "min", "max", "count"]);
const METRIC_NAME = /^[A-Za-z][\w.]{0,199}$/;
const METHOD = /^(.+?)\.(as_count|as_rate|rollup|fill|weighted)$/;

/** Reads tokens one after another. */
export interface Reader {
  peek(ahead?: number): Token | undefined;
  is(sign: string, ahead?: number): boolean;
  take(): Token;
  expect(sign: string, what: string): void;
  fault(message: string): QueryFault;
  readonly done: boolean;
}

/** @throws QueryFault */
export function createReader(query: string): Reader {
  const tokens = tokenize(query);
  let next = 0;
  const reader: Reader = {
    peek: (ahead = 0) => tokens[next + ahead],
    is: (sign, ahead = 0) => {
      const token = tokens[next + ahead];
      return token !== undefined && token.kind !== "text" && token.kind !== "braces" && token.text === sign;
    },
    take() {
      const token = tokens[next];
      if (token === undefined) throw reader.fault("the query ends too early");
      next += 1;
      return token;
    },
    expect(sign, what) {
      if (!reader.is(sign)) throw reader.fault(`${what}: a "${sign}" is missing`);
      next += 1;
    },
    fault: (message) => new QueryFault(message, tokens[next]?.at ?? query.length),
    get done() {
      return next >= tokens.length;
    },
  };
  return reader;
}

/** Reads a query or a formula that is an expression as a whole. @throws QueryFault */
export function parseExpression(text: string): Expression {
  const reader = createReader(text);
  const expression = readExpression(reader);
  if (!reader.done) throw reader.fault(`"${reader.peek()?.text}" is not expected here`);
  return expression;
}

/** Reads an expression as far as it goes. @throws QueryFault */
export function readExpression(reader: Reader): Expression {
  let left = readTerm(reader);
  while (reader.is("+") || reader.is("-")) {
    const sign = reader.take().text as "+" | "-";
    left = { kind: "operation", sign, left, right: readTerm(reader) };
  }
  return left;
}

function readTerm(reader: Reader): Expression {
  let left = readFactor(reader);
  while (reader.is("*") || reader.is("/")) {
    const sign = reader.take().text as "*" | "/";
    left = { kind: "operation", sign, left, right: readFactor(reader) };
  }
  return left;
}

function readFactor(reader: Reader): Expression {
  if (reader.is("-")) {
    reader.take();
    return { kind: "operation", sign: "-", left: { kind: "number", value: 0 }, right: readFactor(reader) };
  }
  let inner = readAtom(reader);
  while (reader.is(".") && reader.peek(1)?.kind === "word") {
    reader.take();
    inner = readCall(reader, inner);
  }
  return inner;
}

function readAtom(reader: Reader): Expression {
  if (reader.is("(")) {
    reader.take();
    const inner = readExpression(reader);
    reader.expect(")", "the parentheses");
    return inner;
  }
  const token = reader.peek();
  if (token?.kind === "number") return { kind: "number", value: (reader.take() as { value: number }).value };
  if (token?.kind === "text") return { kind: "text", value: reader.take().text };
  if (token?.kind !== "word") throw reader.fault(token ? `"${token.text}" is not expected here` : "a query is missing");
  if (reader.is(":", 1)) return readMetric(reader);
  const { text, at } = reader.take();
  if (!reader.is("(")) return { kind: "name", name: text, at };
  // `query1.rollup(sum, 60)`: the lexer cannot distinguish the method from a name with a dot.
  const [, name, method] = METHOD.exec(text) ?? [];
  if (name === undefined || method === undefined) return readArguments(reader, text, at);
  return readArguments(reader, method, at, { kind: "name", name, at });
}

function readMetric(reader: Reader): MetricQuery {
  const { text: aggregator, at } = reader.take();
  if (!AGGREGATORS.has(aggregator))
    throw new QueryFault(`"${aggregator}" is no space aggregator: ${[...AGGREGATORS].join(", ")}`, at);
  reader.expect(":", "the metric");
  const name = reader.take();
  if (name.kind !== "word" || !METRIC_NAME.test(name.text))
    throw new QueryFault(`"${name.text}" is no name of a metric`, name.at);
  const braces = reader.peek();
  if (braces?.kind !== "braces") throw reader.fault(`${name.text} needs a filter such as {*}`);
  reader.take();
  const filter = parseFilter(braces.text, braces.at + 1);
  let by: readonly string[] = [];
  if (reader.is("by")) {
    reader.take();
    const keys = reader.peek();
    if (keys?.kind !== "braces") throw reader.fault('"by" needs tags such as {agent}');
    reader.take();
    by = keys.text.split(",").map((key) => key.trim());
    const wrong = by.find((key) => !/^[A-Za-z$][\w.\-/$]*$/.test(key));
    if (wrong !== undefined) throw new QueryFault(`"${wrong}" is no tag to group by`, keys.at);
  }
  return { kind: "metric", aggregator: aggregator as Aggregator, metric: name.text, filter, by, at };
}

function readCall(reader: Reader, on?: Expression): Expression {
  const { text: name, at } = reader.take();
  return readArguments(reader, name, at, on);
}

function readArguments(reader: Reader, name: string, at: number, on?: Expression): Expression {
  reader.expect("(", name);
  const args: Expression[] = on === undefined ? [] : [on];
  const named: Record<string, Expression> = {};
  while (!reader.is(")")) {
    const key = reader.peek();
    if (key?.kind === "word" && reader.is("=", 1)) {
      reader.take();
      reader.take();
      named[key.text] = readExpression(reader);
    } else args.push(readExpression(reader));
    if (!reader.is(",")) break;
    reader.take();
    if (reader.is(")")) throw reader.fault(`an argument of ${name} is missing`);
  }
  reader.expect(")", name);
  return { kind: "call", name, method: on !== undefined, args, named, at };
}

/** All parts of an expression, itself first. */
export function partsOf(expression: Expression): readonly Expression[] {
  if (expression.kind === "operation") return [expression, ...partsOf(expression.left), ...partsOf(expression.right)];
  if (expression.kind === "call")
    return [expression, ...expression.args.flatMap(partsOf), ...Object.values(expression.named).flatMap(partsOf)];
  return [expression];
}

export function metricsOf(expression: Expression): readonly MetricQuery[] {
  return partsOf(expression).filter((part) => part.kind === "metric");
}
