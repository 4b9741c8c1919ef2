/**
 * `exchange` of `tally.ts` in Lua, for Redis: change both, the stores' common tests hold them together. KEYS: of each
 * report its count, then its earlier ones. ARGV: the reports as JSON, `earlier` being how many; the time in ms, or nothing.
 * Answers six numbers a report: spent, others, slice, idle, held, tight.
 */
export const EXCHANGE_SCRIPT = `
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function load(key)
  local tally = { base = 0, tight = 0, holders = {} }
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    if field == 'base' then tally.base = tonumber(value)
    elseif field == 'tight' then tally.tight = tonumber(value)
    else
      local spent, inUse, slice, till = string.match(value, '^(%d+) (%d+) (%d+) (%d+)$')
      tally.holders[field] = { spent = tonumber(spent), inUse = tonumber(inUse), slice = tonumber(slice), till = tonumber(till) }
    end
  end
  return tally
end
local function spentOf(tally)
  local spent = tally.base
  for _, one in pairs(tally.holders) do
    spent = spent + one.spent
    if one.till <= now then spent = spent + one.inUse end
  end
  return spent
end
local answers = {}
local at = 0
for _, report in ipairs(cjson.decode(ARGV[1])) do
  at = at + 1
  local key = KEYS[at]
  local tally = load(key)
  local holder = 'h:' .. report.holder
  local earlier = 0
  for _ = 1, report.earlier do
    at = at + 1
    earlier = earlier + spentOf(load(KEYS[at]))
  end
  local before = tally.holders[holder]
  local others, held, idle = 0, 0, 0
  for name, one in pairs(tally.holders) do
    if name ~= holder then
      if one.till > now then
        others = others + one.spent
        held = held + one.slice
        idle = idle + one.slice - one.inUse
      elseif one.till + 360 * report.leaseMs < now then
        tally.base = tally.base + one.spent + one.inUse
        redis.call('HDEL', key, name)
      else
        others = others + one.spent + one.inUse
      end
    end
  end
  if not before and report.acked > 0 then
    tally.base = math.max(0, tally.base - report.acked)
    tally.base = math.max(tally.base, report.others - others)
  end
  others = others + tally.base
  if report.tight then tally.tight = now + 2000 end
  local tight = tally.tight > now
  local kept = math.max(report.inUse, report.keep)
  local left = math.max(0, report.cap - earlier - others - report.spent - held - kept)
  local need = math.min(report.need, left)
  local wanted = math.max(0, report.spare - (kept - report.inUse))
  local spare = 0
  if not tight then spare = math.min(wanted, math.floor((left - need) * 0.1)) end
  local slice = kept + need + spare
  if report.leave then
    tally.base = tally.base + report.spent + report.inUse
    redis.call('HDEL', key, holder)
  else
    redis.call('HSET', key, holder, table.concat({ text(report.spent), text(report.inUse), text(slice), text(now + report.leaseMs) }, ' '))
  end
  redis.call('HSET', key, 'base', text(tally.base), 'tight', text(tally.tight))
  redis.call('PEXPIRE', key, text(report.keepMs))
  if report.leave then slice = 0 end
  for _, number in ipairs({ earlier + others + report.spent, others, slice, idle, held, tight and 1 or 0 }) do
    answers[#answers + 1] = text(number)
  end
end
return answers
`;
