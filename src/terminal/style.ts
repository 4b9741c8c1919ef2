/** Ways to show a piece of text. Without colour they all give it back as it is. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly caution: Paint;
  readonly bad: Paint;
  readonly accent: Paint;
}

export type Paint = (text: string) => string;

export function createStyle(colour: boolean): Style {
  const paint = (open: number, close: number): Paint =>
    colour ? (text) => `\x1b[${open}m${text}\x1b[${close}m` : (text) => text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    good: paint(32, 39),
    caution: paint(33, 39),
    bad: paint(31, 39),
    accent: paint(36, 39),
  };
}

/** Nano-USD as dollars. */
export function dollars(nano: number, digits: number): string {
  return `${nano < 0 ? "-" : ""}$${(Math.abs(nano) / 1e9).toFixed(digits)}`;
}

/** How far `value` is from the truth, in percent with its sign. */
export function percentOff(value: number, truth: number): string {
  if (value === truth) return "0";
  if (truth === 0) return "all";
  const percent = ((value - truth) / truth) * 100;
  const size = Math.abs(percent);
  return `${percent < 0 ? "-" : "+"}${size.toFixed(size < 0.1 ? 2 : 1)} %`;
}
