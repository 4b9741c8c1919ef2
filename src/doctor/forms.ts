import { type Paint, printable, type Style } from "../terminal/style.ts";
import { counted, type Finding, GROUPS, type Group } from "./finding.ts";

export interface Summary {
  readonly findings: readonly Finding[];
  readonly faults: number;
  readonly notes: number;
  /** No fault. */
  readonly ok: boolean;
}

export function summarise(findings: readonly Finding[]): Summary {
  const count = (level: Finding["level"]): number => findings.filter((finding) => finding.level === level).length;
  const faults = count("fault");
  return { findings, faults, notes: count("note"), ok: faults === 0 };
}

export function toJson(summary: Summary): readonly string[] {
  return [JSON.stringify(summary, null, 2)];
}

const COLUMNS = 100;
const INDENT = " ".repeat(9);

/** Group by group, in lines of 100 columns. A fix is never broken, so that it can be copied. */
export function toText({ findings, faults, notes }: Summary, style: Style): readonly string[] {
  const lines: string[] = [];
  for (const [group, title] of Object.entries(GROUPS) as [Group, string][]) {
    const own = findings.filter((finding) => finding.group === group);
    lines.push("", style.bold(title), ...own.flatMap((finding) => linesOf(finding, style)));
    if (own.length === 0) lines.push(`  ${style.dim("nothing found")}`);
  }
  const end = `${counted(faults, "fault")}, ${counted(notes, "note")}`;
  return [...lines, "", faults > 0 ? style.bad(end) : notes > 0 ? style.caution(end) : style.good(end)];
}

function linesOf({ level, subject, says, fix }: Finding, style: Style): readonly string[] {
  const paint: Paint = { ok: style.good, note: style.caution, fault: style.bad }[level];
  const mark = paint((level === "fault" ? "FAULT" : level).padEnd(INDENT.length - 2));
  const [first = "", ...rest] = wrap(printable(`${subject}  ${says}`), COLUMNS - INDENT.length);
  const fixes = fix === undefined ? [] : [`${style.dim("fix:")} ${style.accent(printable(fix))}`];
  return [`  ${mark}${first}`, ...[...rest, ...fixes].map((line) => INDENT + line)];
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
