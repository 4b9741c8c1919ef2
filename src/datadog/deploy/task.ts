/** A change to the account besides monitors and dashboards. */
export interface Task {
  readonly name: string;
  /** "skip" is what the keys may not do, and what can be done without. */
  readonly action: "create" | "update" | "keep" | "wait" | "skip" | "fail";
  /** What changes, or why not. */
  readonly detail: string;
  readonly run: () => Promise<void>;
  /** The permission that it needs, where all else works without it. */
  readonly permission?: string;
}

/** Why something was left out, and what would change that. */
export function lacking(permission: string, reason: string): string {
  const first = reason.split(":")[0];
  return `left out: the application key may not do it (${first}), give it the permission ${permission} and run this again`;
}
