import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseAst } from "rolldown/parseAst";

/** A node of the syntax tree, as far as it is looked at here. Offsets are in UTF-16 code units. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** One top-level declaration of a file, as text without `export`, and the names outside of it that it refers to. */
export interface Declaration {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly refersTo: ReadonlySet<string>;
}

/** Where a name comes from: of the same file when `file` is undefined. */
export interface Origin {
  readonly file: string | undefined;
  readonly name: string;
}

/** What one declaration file holds. */
export interface DeclarationFile {
  /** By name; several for an overloaded function. */
  readonly declared: ReadonlyMap<string, readonly Declaration[]>;
  readonly imported: ReadonlyMap<string, Origin>;
  readonly exported: ReadonlyMap<string, Origin>;
}

/**
 * Reads a declaration file as `tsc` emits it.
 * @throws Error on a form that the rollup does not know, so that nothing is left out unnoticed.
 */
export function readDeclarations(file: string): DeclarationFile {
  const text = readFileSync(file, "utf8");
  const program = parseAst(text, { lang: "dts" }, file) as unknown as { readonly body: readonly SyntaxNode[] };
  const declared = new Map<string, Declaration[]>();
  const imported = new Map<string, Origin>();
  const exported = new Map<string, Origin>();
  let end = 0;
  for (const statement of program.body) {
    // Doc comments stand between two statements.
    const comment = text.slice(end, statement.start).trimStart();
    end = statement.end;
    const node = (statement.declaration ?? statement) as SyntaxNode;
    if (statement.type === "ImportDeclaration") {
      for (const [local, origin] of importsOf(statement, file)) imported.set(local, origin);
    } else if (statement.type === "ExportNamedDeclaration" && !statement.declaration) {
      for (const [name, origin] of exportsOf(statement, file)) exported.set(name, origin);
    } else {
      const name = nameOf(node, file);
      const declaration = { name, file, text: comment + text.slice(node.start, node.end), refersTo: namesIn(node) };
      declared.set(name, [...(declared.get(name) ?? []), declaration]);
      if (node !== statement) exported.set(name, { file: undefined, name });
    }
  }
  return { declared, imported, exported };
}

function importsOf(statement: SyntaxNode, file: string): [string, Origin][] {
  const from = sourceOf(statement, file);
  return (statement.specifiers as readonly SyntaxNode[]).map((specifier) => {
    if (specifier.type !== "ImportSpecifier") throw new Error(`${file}: ${specifier.type} is not rolled up`);
    return [identifier(specifier.local), { file: from, name: identifier(specifier.imported) }];
  });
}

function exportsOf(statement: SyntaxNode, file: string): [string, Origin][] {
  const from = statement.source ? sourceOf(statement, file) : undefined;
  return (statement.specifiers as readonly SyntaxNode[]).map((specifier) => [
    identifier(specifier.exported),
    { file: from, name: identifier(specifier.local) },
  ]);
}

/** The declaration file of a relative import, or the name of a package. */
function sourceOf(statement: SyntaxNode, file: string): string {
  const { value } = statement.source as { readonly value: string };
  return value.startsWith(".") ? join(dirname(file), value.replace(/\.[jt]s$/, ".d.ts")) : value;
}

function nameOf(node: SyntaxNode, file: string): string {
  if (node.type === "VariableDeclaration") {
    const [declarator, another] = node.declarations as readonly SyntaxNode[];
    if (declarator !== undefined && another === undefined) return identifier(declarator.id);
  }
  if (node.id) return identifier(node.id);
  throw new Error(`${file}: a top-level ${node.type} is not rolled up`);
}

/** Names that a declaration refers to, without its own type parameters. */
function namesIn(declaration: SyntaxNode): ReadonlySet<string> {
  const found = new Set<string>();
  const parameters = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isNode(value)) return;
    if (value.type === "TSImportType") throw new Error(`import(…) in the type of ${JSON.stringify(declaration.id)}`);
    if (value.type === "TSTypeParameter") parameters.add(identifier(value.name));
    for (const reference of referencesOf(value)) found.add(leftmost(reference));
    for (const child of Object.values(value)) visit(child);
  };
  visit(declaration);
  for (const parameter of parameters) found.delete(parameter);
  return found;
}

/** The parts of a node that name something outside of it. */
function referencesOf(node: SyntaxNode): readonly SyntaxNode[] {
  const key = node.key as SyntaxNode | undefined;
  const parts = [node.typeName, node.exprName, node.superClass];
  if (node.type === "TSInterfaceHeritage" || node.type === "TSClassImplements") parts.push(node.expression);
  if (node.computed === true && key?.type !== "Literal") parts.push(key);
  return parts.filter(isNode);
}

/** `A` of `A.B.C`. */
function leftmost(node: SyntaxNode): string {
  const left = node.left ?? node.object;
  return isNode(left) ? leftmost(left) : identifier(node);
}

function identifier(node: unknown): string {
  const { type, name } = node as SyntaxNode;
  if (type !== "Identifier" || typeof name !== "string") throw new Error(`a name was expected, not ${type}`);
  return name;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value;
}
