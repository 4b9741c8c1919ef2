import { array, type Json, object } from "../../core/json.ts";

const QUOTE = '"';
/** Deeper than anything that vendors nest in an empty delta. */
const MAX_DEPTH = 5;

/**
 * Whether a chat frame carries the usage that was asked for and nothing else: `choices` is empty, or each choice in it
 * is. `finished`: the answer was complete before it, so that a role is only repeated.
 */
export function isUsageFrame(frame: Json, finished: boolean): boolean {
  if (object(frame.usage) === undefined || !isNothing(frame.error, 0)) return false;
  return array(frame.choices).every((choice) => isEmptyChoice(object(choice), finished));
}

/** Members of a choice that callers read. */
const READ = ["finish_reason", "message", "text", "logprobs"];

function isEmptyChoice(choice: Json | undefined, finished: boolean): boolean {
  if (choice === undefined || !READ.every((name) => isNothing(choice[name], 0))) return false;
  const delta = object(choice.delta);
  if (delta === undefined) return isNothing(choice.delta, 0);
  return Object.keys(delta).every((key) => (key === "role" && finished) || isNothing(delta[key], 0));
}

function isNothing(value: unknown, depth: number): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (typeof value !== "object" || depth === MAX_DEPTH) return false;
  return Object.values(value).every((member) => isNothing(member, depth + 1));
}

/** Where a member of the outermost object stands in a frame, with the comma that goes with it. */
export function findMember(frame: string, key: string): { readonly from: number; readonly to: number } | undefined {
  let depth = 0;
  /** Where the current member of the outermost object begins: its comma, or behind the brace; and where it ends. */
  let from = -1;
  let to = -1;
  let isFirst = true;
  let hasKey = false;
  let isFound = false;
  for (let at = frame.indexOf("{"); at >= 0 && at < frame.length; at++) {
    const sign = frame[at] as string;
    if (sign === "\n" && frame.startsWith(CONTINUED, at + 1)) at += CONTINUED.length;
    if (SPACE.includes(sign)) continue;
    if (depth === 1 && (sign === "," || sign === "}")) {
      // The first member goes with the comma behind it, the others with the one before.
      if (isFound) return { from, to: isFirst && sign === "," ? at + 1 : to };
      from = at;
      isFirst = false;
      hasKey = false;
    }
    if (sign === "{" || sign === "[") depth += 1;
    else if (sign === "}" || sign === "]") depth -= 1;
    else if (sign === QUOTE) {
      const end = closingQuote(frame, at);
      if (depth === 1 && !hasKey) {
        hasKey = true;
        isFound = frame.slice(at + 1, end) === key;
      }
      at = end;
    }
    if (depth === 0) return undefined;
    if (from < 0) from = at + 1;
    to = at + 1;
  }
  return undefined;
}

const SPACE = " \n\r\t";
/** An event may spread its data over several lines. */
const CONTINUED = "data:";

function closingQuote(frame: string, open: number): number {
  let at = open + 1;
  while (at < frame.length && frame[at] !== QUOTE) at += frame[at] === "\\" ? 2 : 1;
  return at;
}
