import { keepTurnMs, type Pace } from "../../limits/pace.ts";
import { type Connection, runScript } from "./connection.ts";

/** `nextTurn` of `limits/pace.ts`. KEYS: the throttle. ARGV: every, how long to keep it, both in ms; the time in ms, or nothing. */
const TAKE_TURN = `
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local last = redis.pcall('HGET', KEYS[1], 'last')
local givenAt, due
if type(last) == 'string' then givenAt, due = string.match(last, '^(%d+) (%d+)$') end
givenAt, due = tonumber(givenAt), tonumber(due)
local turn = now
if due and now >= givenAt then turn = math.max(now, due + math.ceil(tonumber(ARGV[1]))) end
if type(last) == 'table' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f %.0f', now, turn))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', turn - now + ARGV[2]))
return string.format('%.0f', turn - now)
`;

/** In how many milliseconds the turn is due that was taken. `now`: undefined for the server's time. */
export async function takeTurn(connection: Connection, pace: Pace, now: number | undefined): Promise<number> {
  const values = [String(pace.everyMs), String(keepTurnMs(pace)), now === undefined ? "" : String(now)];
  return Number(await runScript(connection, TAKE_TURN, [`${connection.prefix}turn:${pace.key}`], values));
}
