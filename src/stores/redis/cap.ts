import { changedKey, type Report } from "../../limits/tally.ts";
import { type AuditEntry, type CapAnswer, type Change, MAX_AUDIT } from "../store.ts";
import { type Connection, runScript } from "./connection.ts";

/**
 * KEYS: the log, then the counts. ARGV: entries of the log to keep, entry, what the cap is expected to be raised by,
 * holder, its value, channel; then of each count how long to keep it in ms, and the message. Answers the outcome, and by
 * how much the cap is raised. The log is written first: what fails, fails before anything is written.
 */
const CHANGE_CAP = `
local raised = 0
local repeated = false
for at = 2, #KEYS do
  local flat = redis.pcall('HGETALL', KEYS[at])
  if flat.err then
    if not string.find(flat.err, 'WRONGTYPE') then return flat end
    flat = {}
  end
  for i = 1, #flat, 2 do
    local sign = string.sub(flat[i], 1, 3)
    repeated = repeated or flat[i] == ARGV[4]
    local amount = tonumber(string.match(flat[i + 1], '^%d+'))
    if at == 2 and amount and sign == 'h:+' then raised = raised + amount end
    if at == 2 and amount and sign == 'h:-' then raised = raised - amount end
  end
end
local function answer(outcome) return { outcome, string.format('%.0f', raised) } end
if repeated then return answer('repeated') end
if raised ~= tonumber(ARGV[3]) then return answer('outdated') end
redis.call('LPUSH', KEYS[1], ARGV[2])
redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
for at = 2, #KEYS do
  local keep, message = tonumber(ARGV[at * 2 + 3]), ARGV[at * 2 + 4]
  local kind = redis.call('TYPE', KEYS[at]).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[at]) end
  redis.call('HSET', KEYS[at], ARGV[4], ARGV[5])
  if redis.call('PTTL', KEYS[at]) < keep then redis.call('PEXPIRE', KEYS[at], keep) end
  redis.call('PUBLISH', ARGV[6], message)
end
local amount = tonumber(string.match(ARGV[5], '^%d+'))
raised = raised + (string.sub(ARGV[4], 3, 3) == '+' and amount or -amount)
return answer('applied')
`;

export interface CapOrder {
  readonly reports: readonly Report[];
  /** What the entry takes the cap to be raised by. */
  readonly raised: number;
  readonly entry: AuditEntry;
}

/** See `changeCap` of the store. `now`: milliseconds since the epoch. */
export async function changeCap(
  connection: Connection,
  now: number,
  { reports, raised, entry }: CapOrder,
): Promise<CapAnswer> {
  const { prefix, channel } = connection;
  const [first] = reports;
  if (first === undefined) return { outcome: "outdated", raised };
  const keys = [`${prefix}audit`, ...reports.map(({ key }) => tallyKey(prefix, key))];
  const value = `${first.spent} 0 0 ${Math.ceil(now + first.leaseMs)}`;
  const values = [String(MAX_AUDIT), JSON.stringify(entry), String(raised), `h:${first.holder}`, value, channel];
  const each = reports.flatMap(({ key, keepMs }) => {
    const message: Change = { type: "recall", key: changedKey(key) };
    return [String(Math.ceil(keepMs)), JSON.stringify(message)];
  });
  const answer = await runScript(connection, CHANGE_CAP, keys, [...values, ...each]);
  const [outcome, inAll] = answer as [CapAnswer["outcome"], string];
  return { outcome, raised: Number(inAll) };
}

export function tallyKey(prefix: string, count: string): string {
  return `${prefix}tally:${count}`;
}
