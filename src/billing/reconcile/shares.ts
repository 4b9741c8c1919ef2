import type { MeteredRow } from "../../core/metered.ts";
import { type Cell, countOf } from "./cells.ts";

/** How a cell's amount is split: a weight for each of its rows, and one for the ungoverned part. */
export interface Shares {
  readonly rows: readonly bigint[];
  readonly ungoverned: bigint;
}

const ALL_UNGOVERNED: Shares = { rows: [], ungoverned: 1n };

/**
 * Who caused a cell's amount. Reported usage is known to the token, so it is charged as it is; the remainder belongs
 * to calls whose usage is an estimate or unknown, but only where the vendor counted no requests beside ours. All else is
 * ungoverned: it is never spread over metered agents.
 */
export function shareOut(cell: Cell): Shares {
  const shares = weighCell(cell);
  const empty = shares.ungoverned === 0n && shares.rows.every((weight) => weight === 0n);
  return empty ? { ...shares, ungoverned: 1n } : shares;
}

function weighCell(cell: Cell): Shares {
  const { rows, type } = cell;
  if (rows.length === 0) return ALL_UNGOVERNED;
  if (type === "tokens" && rows.every(isExact)) return byCost(cell);
  const tokens = rows.map((row) => countOf(row, type));
  const sure = sum(tokens.filter((_, index) => rows[index]?.quality === "reported"));
  const guessed = sum(tokens) - sure;
  const { quantity = sure + guessed, unseen } = cell;
  const rest = quantity - sure;
  // The bill has less than was reported, so it is not complete: estimates wait.
  if (rest <= 0 && sure > 0) return weigh(rows, (row, at) => (row.quality === "reported" ? tokens[at] : 0), 0);
  if (unseen !== undefined && unseen <= 0) return weighAll(cell, tokens, rest);
  const theirs = Math.min(Math.max(rest, 0), guessed);
  const left = rest - theirs;
  // Scaled by the sum of the estimates, so that weights stay whole numbers.
  const scale = guessed > 0 ? guessed : 1;
  return {
    rows: rows.map((row, at) => BigInt(tokens[at] ?? 0) * BigInt(row.quality === "reported" ? scale : theirs)),
    ungoverned: BigInt(left) * BigInt(scale),
  };
}

/** Every request was metered, so every token belongs to a metered call. */
function weighAll({ rows }: Cell, tokens: readonly number[], rest: number): Shares {
  const guessing = rows.map((row, at) => (row.quality === "estimated" ? (tokens[at] ?? 0) : 0));
  const blind = rows.map((row) => (row.quality === "unknown" ? row.calls : 0));
  const bearers = sum(guessing) > 0 ? guessing : blind;
  const scale = sum(bearers);
  // The metered figures are exact: the vendor bills other counts than it reports.
  if (scale === 0) return weigh(rows, (_, at) => tokens[at], 0);
  return {
    rows: rows.map((row, at) => {
      const own = row.quality === "reported" ? BigInt(tokens[at] ?? 0) * BigInt(scale) : 0n;
      return own + BigInt(bearers[at] ?? 0) * BigInt(Math.max(rest, 0));
    }),
    ungoverned: 0n,
  };
}

/** All kinds of tokens in one amount: the money that was metered is the better measure. */
function byCost({ rows, charges, quantity, unseen }: Cell): Shares {
  const billed = charges.reduce((all, { nano }) => all + nano, 0n);
  const cost = sum(rows.map((row) => row.cost));
  const more = quantity !== undefined && quantity > sum(rows.map((row) => countOf(row, "tokens")));
  const others = more && (unseen === undefined || unseen > 0) ? billed - BigInt(cost) : 0n;
  if (cost === 0) return weigh(rows, (row) => countOf(row, "tokens"), others > 0n ? 1 : 0);
  return { rows: rows.map((row) => BigInt(row.cost)), ungoverned: others > 0n ? others : 0n };
}

function isExact({ quality, priced }: MeteredRow): boolean {
  return quality === "reported" && (priced === "true" || priced === "inexact");
}

function weigh(
  rows: readonly MeteredRow[],
  weightOf: (row: MeteredRow, index: number) => number | undefined,
  ungoverned: number,
): Shares {
  return { rows: rows.map((row, index) => BigInt(weightOf(row, index) ?? 0)), ungoverned: BigInt(ungoverned) };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
