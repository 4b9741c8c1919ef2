/** A source as it is searched: a sign in a comment or inside of a text is no sign. */
export interface SourceText {
  /** As long as the source, with comments and what stands in quotes blanked out. */
  readonly code: string;
  readonly literals: readonly Literal[];
}

/** What stands in quotes; a template gives one for each of its parts. */
export interface Literal {
  readonly text: string;
  /** Where its quote stands. */
  readonly at: number;
}

const PLAIN = /[^/"'`{}]+/y;
/** A slash behind one of these begins a pattern; behind a name or a bracket it divides. */
const BEFORE_PATTERN = /(?:^|[(,=:[!&|?{};+*%~^]|\b(?:return|typeof|case))\s*$/;
const TAIL = 40;
const PATTERN = /\/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

/** Reads JavaScript, TypeScript or JSX, as far as telling code from text and comment. */
export function readSource(source: string): SourceText {
  const parts: string[] = [];
  /** The end of what was read: a growing text would be copied at each look. */
  let tail = "";
  let at = 0;
  let depth = 0;
  const literals: Literal[] = [];
  /** The depths at which a `}` goes back into a template. */
  const templates: number[] = [];

  const add = (text: string): void => {
    parts.push(text);
    tail = (text.length < TAIL ? tail + text : text).slice(-TAIL);
  };
  const blankTo = (end: number): void => {
    add(blank(source.slice(at, end)));
    at = end;
  };
  /** A text from its opening quote to the one that ends it, or to where it breaks off. */
  const takeText = (end: number, close: number): void => {
    literals.push({ text: source.slice(at + 1, end), at });
    add(source[at] + blank(source.slice(at + 1, end)) + source.slice(end, end + close));
    at = end + close;
  };
  const takeTemplate = (): void => {
    const end = endOf(source, at + 1, /`|\$\{/g);
    const opens = source.startsWith("${", end);
    takeText(end, opens ? 2 : 1);
    if (!opens) return;
    templates.push(depth);
    depth += 1;
  };

  while (at < source.length) {
    PLAIN.lastIndex = at;
    const plain = PLAIN.exec(source)?.[0];
    if (plain !== undefined) {
      add(plain);
      at += plain.length;
      continue;
    }
    const char = source[at];
    if (source.startsWith("//", at)) blankTo(lineEnd(source, at));
    else if (source.startsWith("/*", at)) blankTo(after(source, "*/", at + 2));
    else if (char === "/" && BEFORE_PATTERN.test(tail) && patternAt(source, at) > 0)
      blankTo(at + patternAt(source, at));
    else if (char === '"' || char === "'") takeText(endOf(source, at + 1, char === '"' ? /["\n]/g : /['\n]/g), 1);
    else if (char === "`") takeTemplate();
    else if (char === "}" && templates.at(-1) === depth - 1) {
      templates.pop();
      depth -= 1;
      takeTemplate();
    } else {
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      add(source.charAt(at));
      at += 1;
    }
  }
  return { code: parts.join(""), literals };
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

function lineEnd(source: string, from: number): number {
  const end = source.indexOf("\n", from);
  return end < 0 ? source.length : end;
}

function after(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from);
  return end < 0 ? source.length : end + mark.length;
}

/** Where the next mark stands that no backslash takes away. */
function endOf(source: string, from: number, mark: RegExp): number {
  mark.lastIndex = from;
  for (let found = mark.exec(source); found !== null; found = mark.exec(source)) {
    let slashes = 0;
    while (source[found.index - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return found.index;
  }
  return source.length;
}

function patternAt(source: string, at: number): number {
  PATTERN.lastIndex = at;
  return PATTERN.exec(source)?.[0].length ?? 0;
}
