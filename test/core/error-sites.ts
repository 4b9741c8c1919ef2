import { globSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseAst } from "rolldown/parseAst";

const SRC = join(import.meta.dirname, "../../src");
/** Not what a user runs in production: a page in the browser, and the demo's stand-in vendors. */
const LEFT_OUT = /^(sandbox\/page|demo)\//;

/** A place where an error is made. */
export interface ErrorSite {
  /** Relative to `src`. */
  readonly file: string;
  readonly line: number;
  /** What makes it: a class, or `usage`. */
  readonly maker: string;
  /** The code of a SpendfuseError, where it is written there. */
  readonly code: string | undefined;
  /** The message, with `…` for what is filled in; the texts of all alternatives where there are several. */
  readonly message: string;
  readonly facts: readonly string[];
}

interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/** Every `new SpendfuseError(…)`, `usage(…)` and `throw new SomethingElse(…)` of `src`. */
export function errorSites(): readonly ErrorSite[] {
  const files = globSync(`${SRC}/**/*.ts`).map((path) => relative(SRC, path));
  return files
    .filter((file) => !LEFT_OUT.test(file))
    .sort()
    .flatMap((file) => sitesOf(file, readFileSync(join(SRC, file), "utf8")));
}

/** For tests of the scan itself too. */
export function sitesOf(file: string, text: string): readonly ErrorSite[] {
  const nodes = [...walk(parseAst(text, { lang: "ts" }) as unknown as Syntax)];
  const thrown = new Set(nodes.filter(({ type }) => type === "ThrowStatement").map(({ argument }) => argument));
  const constants = nodes.filter(({ type }) => type === "VariableDeclarator");
  return nodes.flatMap((node) => {
    const maker = nameOf(node.callee);
    const ours = maker === "SpendfuseError" || maker === "usage" || maker === "usageError";
    if (maker === undefined || !(ours || (node.type === "NewExpression" && thrown.has(node)))) return [];
    const given = node.arguments as readonly Syntax[];
    const [code, message, facts] = maker === "SpendfuseError" ? given : [undefined, given[0], undefined];
    return {
      file,
      line: text.slice(0, node.start).split("\n").length,
      maker,
      code: maker === "SpendfuseError" ? (code?.value as string | undefined) : undefined,
      message: textOf(
        message,
        constants.filter(({ start }) => start < node.start),
      ),
      facts: ((facts?.properties ?? []) as readonly Syntax[]).flatMap(({ key }) => nameOf(key) ?? []),
    };
  });
}

function* walk(node: unknown): Generator<Syntax> {
  if (Array.isArray(node)) for (const one of node) yield* walk(one);
  else if (typeof node === "object" && node !== null) {
    if (typeof (node as Syntax).type === "string") yield node as Syntax;
    yield* walk(Object.values(node));
  }
}

function nameOf(node: unknown): string | undefined {
  return (node as { readonly name?: string } | null | undefined)?.name;
}

/** The text that an expression makes; a name is followed to the last of the constants that has it. */
function textOf(node: unknown, constants: readonly Syntax[]): string {
  const { type, ...parts } = (node ?? { type: "none" }) as Syntax;
  const of = (part: unknown): string => textOf(part, constants);
  if (type === "Literal") return String(parts.value);
  if (type === "Identifier") {
    const at = constants.findLastIndex(({ id }) => nameOf(id) === parts.name);
    return at < 0 ? "…" : textOf(constants[at]?.init, constants.slice(0, at));
  }
  if (type === "BinaryExpression" || type === "LogicalExpression") return of(parts.left) + of(parts.right);
  if (type === "ConditionalExpression") return `${of(parts.consequent)} ${of(parts.alternate)}`;
  if (type !== "TemplateLiteral") return "…";
  const holes = parts.expressions as readonly unknown[];
  const quasis = parts.quasis as readonly { readonly value: { readonly cooked: string } }[];
  return quasis.map(({ value }, at) => value.cooked + (at < holes.length ? of(holes[at]) : "")).join("");
}
