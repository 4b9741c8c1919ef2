import jsTokens from "js-tokens";

/** A source as it is searched: a sign in a comment, a text or a regular expression is no sign. */
export interface SourceText {
  /** As long as the source, with comments, texts and regular expressions blanked out. */
  readonly code: string;
  readonly literals: readonly Literal[];
}

/** Text in quotes; a template gives one for each of its parts. */
export interface Literal {
  readonly text: string;
  /** Where its quote stands. */
  readonly at: number;
}

/** What is no code, by type of token: how many signs open and close it. */
const QUOTES: Readonly<Record<string, readonly [open: number, close: number]>> = {
  StringLiteral: [1, 1],
  JSXString: [1, 1],
  NoSubstitutionTemplate: [1, 1],
  TemplateHead: [1, 2],
  TemplateMiddle: [1, 2],
  TemplateTail: [1, 1],
};
const NO_CODE = /Comment$|^RegularExpressionLiteral$|^JSXText$/;

/** @param jsx Whether `<` may begin an element: not in `.ts` files, where it may begin an assertion. */
export function readSource(source: string, jsx: boolean): SourceText {
  const parts: string[] = [];
  const literals: Literal[] = [];
  let at = 0;
  for (const token of jsTokens(source, { jsx })) {
    const { type, value } = token;
    const quotes = QUOTES[type];
    if (quotes !== undefined) {
      const open = quotes[0];
      const close = "closed" in token && !token.closed ? 0 : quotes[1];
      const text = value.slice(open, value.length - close);
      literals.push({ text, at });
      parts.push(value.slice(0, open), blank(text), value.slice(open + text.length));
    } else parts.push(NO_CODE.test(type) ? blank(value) : value);
    at += value.length;
  }
  return { code: parts.join(""), literals };
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}
