/** Titles of the groups of findings, in the order of the output. */
export const GROUPS = {
  app: "The app",
  started: "Started",
  sdks: "SDKs and frameworks",
  instrumentations: "Other instrumentations",
  blind: "Programs and blind spots",
  export: "Export",
  keys: "Keys",
  guard: "Guard",
} as const;

export type Group = keyof typeof GROUPS;

/**
 * The result of a check. `fault`: something is broken, and `fix` repairs it. `note`: a blind spot, a choice or an
 * uncertainty; the app runs, and `fix` changes it. No text may hold a secret.
 */
export interface Remark {
  /** Stable, in kebab-case, for programs to branch on. */
  readonly id: string;
  readonly level: "ok" | "note" | "fault";
  /** A package, a variable, a place. */
  readonly subject: string;
  readonly says: string;
  /** One line to run or to write. */
  readonly fix?: string;
}

export interface Finding extends Remark {
  readonly group: Group;
}

type Broken = (id: string, subject: string, says: string, fix: string) => Remark;

export const ok = (id: string, subject: string, says: string): Remark => ({ id, level: "ok", subject, says });
export const note: Broken = (id, subject, says, fix) => ({ id, level: "note", subject, says, fix });
export const fault: Broken = (id, subject, says, fix) => ({ id, level: "fault", subject, says, fix });

/** A number of things: `1 budget`, `2 budgets`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
