import type { styleText as StyleText } from "node:util";

/** Ways to show a piece of text. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly caution: Paint;
  readonly bad: Paint;
  readonly accent: Paint;
}

export type Paint = (text: string) => string;

/** Colours where the stream shows them: not in a file or a pipe, and not with NO_COLOR. */
export function createStyle(stream: NodeJS.WritableStream): Style {
  const { styleText } = process.getBuiltinModule("node:util");
  const paint =
    (format: Parameters<typeof StyleText>[0]): Paint =>
    (text) =>
      styleText(format, text, { stream });
  return {
    bold: paint("bold"),
    dim: paint("dim"),
    good: paint("green"),
    caution: paint("yellow"),
    bad: paint("red"),
    accent: paint("cyan"),
  };
}

/** Text of others, without what would steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}
