import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { parseAst } from "rolldown/parseAst";

/** A function of our sources that was entered: where it begins. */
export interface Entered {
  readonly file: string;
  readonly name: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const SOURCES = new URL("../src/", import.meta.url).href;
const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
const entered: Entered[] = [];
let recording = false;

/** Every function of `src/` that is entered while `run` does, its asynchronous parts included, in order. */
export async function recordEntered(run: () => Promise<unknown>): Promise<readonly Entered[]> {
  entered.length = 0;
  recording = true;
  try {
    await run();
    await new Promise(setImmediate);
  } finally {
    recording = false;
  }
  return [...entered];
}

Object.assign(globalThis, {
  enterForBench(file: string, name: string): void {
    if (recording) entered.push({ file, name });
  },
});

registerHooks({
  load(url, context, next) {
    if (!url.startsWith(SOURCES) || !url.endsWith(".ts")) return next(url, context);
    const { source } = next(url, { ...context, format: "module-typescript" });
    const file = fileURLToPath(url).slice(fileURLToPath(SOURCES).length);
    return { format: "module", shortCircuit: true, source: instrument(String(source), file) };
  },
});

/** Puts a mark at the beginning of each function: methods, getters, arrow functions and constructors too. */
function instrument(typescript: string, file: string): string {
  const source = stripTypeScriptTypes(typescript);
  const inserts: (readonly [at: number, text: string])[] = [];
  visit(parseAst(source) as unknown as Node, "", (node, name) => {
    const mark = `enterForBench(${JSON.stringify(file)},${JSON.stringify(name)});`;
    const body = node.body as Node;
    if (body.type === "BlockStatement") inserts.push([body.start + 1, mark]);
    else inserts.push([body.start, `(${mark.slice(0, -1)},`], [body.end, ")"]);
  });
  inserts.sort(([one], [other]) => other - one);
  let out = source;
  for (const [at, text] of inserts) out = out.slice(0, at) + text + out.slice(at);
  return out;
}

function visit(node: Node, name: string, onFunction: (node: Node, name: string) => void): void {
  const own = nameOf(node) ?? name;
  if (FUNCTIONS.has(node.type) && node.body) onFunction(node, own);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === "object" && child !== null && typeof (child as Node).type === "string") {
        visit(child as Node, own, onFunction);
      }
    }
  }
}

function nameOf(node: Node): string | undefined {
  const named = (node.id ?? node.key) as { readonly name?: string } | undefined | null;
  return named?.name;
}
