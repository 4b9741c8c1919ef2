import { parseAst } from "vitest/node";

/** A small change of the code that some test should notice. */
export interface Mutant {
  /** Its number among all that are put into one copy of the project. */
  readonly id: number;
  readonly file: string;
  /** Both begin with 1. */
  readonly line: number;
  readonly column: number;
  readonly before: string;
  readonly after: string;
}

/** A place in a source, and what may stand there instead. */
export interface Site {
  readonly start: number;
  readonly end: number;
  /** Whether it is a statement that may be left out, and not an expression. */
  readonly statement: boolean;
  readonly options: readonly string[];
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
};
const ARITHMETIC: Readonly<Record<string, readonly string[]>> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
};
const ASSIGNMENTS: Readonly<Record<string, string>> = { "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "??=": "=" };
const METHODS: Readonly<Record<string, string>> = {
  min: "max",
  max: "min",
  some: "every",
  every: "some",
  floor: "ceil",
  ceil: "floor",
};
/** Wrappers that vanish with the types. */
const ERASED = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression", "TSInstantiationExpression"]);
/** Above this a number is changed to its double: no test should have to tell a day from a day and a millisecond. */
const SMALL = 100;

/** The places of a source at which it can be changed, the outer ones before those inside of them. */
export function findSites(source: string): readonly Site[] {
  const sites: Site[] = [];
  const text: TextOf = ({ start, end }) => source.slice(start, end);

  function add(node: Node, options: readonly string[], statement = false): void {
    if (options.length > 0) sites.push({ start: node.start, end: node.end, statement, options });
  }

  function visit(node: Node, parent: Node | undefined): void {
    if (node.type.startsWith("TS") && !ERASED.has(node.type)) return;
    add(node, optionsOf(node, parent, text));
    if (canBeLeftOut(node, text)) add(node, [""], true);
    for (const [key, value] of Object.entries(node)) {
      // Names of members and modules.
      if ((key === "key" && node.computed !== true) || key === "source" || key === "specifiers") continue;
      for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, node);
    }
  }

  visit(parseAst(source, { lang: "ts" }) as unknown as Node, undefined);
  return sites;
}

type TextOf = (node: Node) => string;

/** What may stand in the place of an expression. */
function optionsOf(node: Node, parent: Node | undefined, text: TextOf): readonly string[] {
  const options = [...byKind(node, parent, text)];
  if (parent?.type === "IfStatement" && parent.test === node && !DECIDING.has(node.type))
    options.push(`!(${text(node)})`);
  if (parent?.type === "ArrowFunctionExpression" && parent.body === node && node.type !== "BlockStatement")
    options.push("undefined");
  return options;
}

/** Conditions that are changed by themselves. */
const DECIDING = new Set(["BinaryExpression", "LogicalExpression", "UnaryExpression"]);

function byKind(node: Node, parent: Node | undefined, text: TextOf): readonly string[] {
  const part = (name: string): string => text(node[name] as Node);
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
      return ofOperator(node, text);
    case "Literal":
      return typeof node.value === "boolean" || typeof node.value === "number" ? ofLiteral(node.value) : [];
    case "UnaryExpression":
      return node.operator === "!" || node.operator === "-" ? [part("argument")] : [];
    case "UpdateExpression":
      return [text(node).replace(/\+\+|--/, node.operator === "++" ? "--" : "++")];
    case "AssignmentExpression": {
      const other = ASSIGNMENTS[node.operator as string];
      return other === undefined ? [] : [`${part("left")} ${other} ${part("right")}`];
    }
    case "ConditionalExpression":
      return [`!(${part("test")}) ? (${part("consequent")}) : (${part("alternate")})`];
    case "CallExpression":
      // A part of a longer chain is not put into brackets: what follows would not be skipped with it.
      return parent?.type === "MemberExpression" || parent?.callee === node ? [] : ofMethod(node, text);
    case "ChainExpression":
      return parent?.operator === "delete" ? [] : ofChain(node, text(node));
    default:
      return [];
  }
}

/** Whether a statement calls or sets something, or returns a value. */
function canBeLeftOut(node: Node, text: TextOf): boolean {
  if (node.type === "ReturnStatement") return node.argument !== null && text(node.argument as Node) !== "undefined";
  if (node.type !== "ExpressionStatement") return false;
  const { type, argument } = node.expression as Node & { readonly argument?: Node };
  if (type === "AwaitExpression") return argument?.type === "CallExpression";
  return type === "CallExpression" || type === "AssignmentExpression";
}

function ofOperator(node: Node, text: TextOf): readonly string[] {
  const operator = node.operator as string;
  const [left, right] = [text(node.left as Node), text(node.right as Node)];
  if (operator === "??") return [left];
  if (operator === "&&" || operator === "||") return [`(${left}) ${operator === "&&" ? "||" : "&&"} (${right})`];
  const isText = [node.left, node.right].some((side) => isTextual(side as Node));
  const others = COMPARISONS[operator] ?? (isText ? [] : (ARITHMETIC[operator] ?? []));
  return others.map((other) => `(${left}) ${other} (${right})`);
}

function isTextual({ type, value }: Node): boolean {
  return type === "TemplateLiteral" || typeof value === "string";
}

function ofLiteral(value: boolean | number): readonly string[] {
  if (typeof value === "boolean") return [String(!value)];
  if (!Number.isFinite(value)) return [];
  if (Math.abs(value) > SMALL || !Number.isInteger(value)) return [String(value * 2)];
  return value === 0 ? ["1"] : [String(value + 1), String(value - 1)];
}

/** The least for the most, any for all. */
function ofMethod(node: Node, text: TextOf): readonly string[] {
  const callee = node.callee as Node;
  if (callee.type !== "MemberExpression" || callee.computed === true || node.optional === true) return [];
  const { name } = callee.property as unknown as { readonly name: string };
  const other = METHODS[name];
  if (other === undefined || callee.optional === true) return [];
  const inside = (node.arguments as readonly Node[]).map(text).join(", ");
  return [`(${text(callee.object as Node)}).${other}(${inside})`];
}

/** The chain without its last question mark. */
function ofChain(node: Node, whole: string): readonly string[] {
  let link = node.expression as Node;
  while (link.optional !== true) {
    const inner = (link.object ?? link.callee ?? link.expression) as Node | undefined;
    if (inner === undefined) return [];
    link = inner;
  }
  const before = ((link.object ?? link.callee) as Node).end - node.start;
  const at = whole.indexOf("?.", before);
  const bracket = /^\?\.\s*[[(]/.test(whole.slice(at));
  return [whole.slice(0, at) + whole.slice(at + (bracket ? 2 : 1))];
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Partial<Node>).type === "string";
}
