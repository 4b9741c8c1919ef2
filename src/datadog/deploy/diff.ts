import type { Step, UnitChange } from "./plan.ts";

/** One changed value. Undefined is absent. */
export interface Difference {
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

const WIDTH = 90;

/** The differences of a change, leaf by leaf; those of a long text, line by line. */
export function differencesOf({ from, to }: UnitChange, path = ""): readonly Difference[] {
  return compare(from, to, path);
}

function compare(from: unknown, to: unknown, path: string): readonly Difference[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  if (typeof from === "string" && typeof to === "string" && /\n/.test(from + to)) return compareLines(from, to, path);
  if (isContainer(from) && isContainer(to) && Array.isArray(from) === Array.isArray(to)) {
    const keys = new Set([...Object.keys(from), ...Object.keys(to)]);
    return [...keys].flatMap((key) => {
      const inner = Array.isArray(to) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      return compare((from as Record<string, unknown>)[key], (to as Record<string, unknown>)[key], inner);
    });
  }
  return [{ path, from, to }];
}

function compareLines(from: string, to: string, path: string): readonly Difference[] {
  const old = from.split("\n");
  const fresh = to.split("\n");
  const gone = old.filter((line) => !fresh.includes(line));
  const come = fresh.filter((line) => !old.includes(line));
  if (gone.length === 0 && come.length === 0) return [{ path, from, to }];
  const count = Math.max(gone.length, come.length);
  return Array.from({ length: count }, (_, index) => ({ path, from: gone[index], to: come[index] }));
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** The lines that a plan prints for a step. */
export function describeStep(step: Step): readonly string[] {
  switch (step.action) {
    case "create":
      return [`+ ${titleOf(step)}`];
    case "leave":
      return [
        `? ${step.found.kind} ${step.key} is ours and not shipped any more: it stays, --destroy --only ${step.key} deletes it`,
      ];
    case "keep":
      return [`= ${titleOf(step)}`, ...keptLines(step.kept)];
    default:
      return [
        `~ ${titleOf(step)}`,
        ...step.changes.flatMap((change) => differencesOf(change).flatMap(showDifference)),
        ...keptLines(step.kept),
      ];
  }
}

function titleOf({ wanted }: Exclude<Step, { action: "leave" }>): string {
  return `${wanted.kind} ${wanted.key}: ${wanted.body.name ?? wanted.body.title}`;
}

function keptLines(kept: readonly string[]): readonly string[] {
  return kept.length === 0 ? [] : [`    your edit of ${kept.join(", ")} stays (--overwrite undoes it)`];
}

function showDifference({ path, from, to }: Difference): readonly string[] {
  return [
    ...(from === undefined ? [] : [`    - ${path}: ${show(from)}`]),
    ...(to === undefined ? [] : [`    + ${path}: ${show(to)}`]),
  ];
}

function show(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= WIDTH ? text : `${text.slice(0, WIDTH - 1)}…`;
}
