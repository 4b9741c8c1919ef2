import { keepTurnMs, nextTurn, type Pace } from "../../limits/pace.ts";
import { type Connection, transact } from "./connection.ts";
import type { Row } from "./tables.ts";

/** In how many milliseconds the turn is due that was taken. */
export function takeTurn(connection: Connection, pace: Pace, now: number): number {
  const { sql } = connection;
  return transact(connection, () => {
    const row = sql.turn.get(pace.key) as Row | undefined;
    const turn = nextTurn(row && { givenAt: Number(row.given_at), due: Number(row.due) }, pace, now);
    sql.putTurn.run(pace.key, turn.givenAt, turn.due, turn.due + keepTurnMs(pace));
    return turn.due - now;
  });
}
