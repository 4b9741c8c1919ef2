import { object, parse, text } from "../../../core/json.ts";
import { canonicalUsage, type Usage } from "../../../core/usage.ts";
import type { ModelReport, ProgramReport } from "../../call/started-program.ts";

/** Longer lines are passed over. */
const MAX_LINE = 16 * 1024 * 1024;
const [NEWLINE, BRACE] = [10, 123];
/** What a line with a report has in it; the first is Claude Code's, the second Codex's. */
const MARKS = ['"total_cost_usd"', '"turn.completed"'];

interface Line {
  parts: Buffer[];
  size: number;
  /** It is no JSON, or too long. */
  passedOver: boolean;
}

/** Finds the reports of a program in what it writes, as JSON by lines. Returns what takes its chunks. */
export function createReportReader(onReport: (report: ProgramReport) => void): (chunk: Uint8Array) => void {
  const line: Line = { parts: [], size: 0, passedOver: false };
  return (chunk) => {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      addTo(line, chunk.subarray(from, at));
      endLine(line, onReport);
      from = at + 1;
    }
    if (from < chunk.length) addTo(line, chunk.subarray(from));
    // Of a program that ends without a line break.
    if (chunk.length === 0) endLine(line, onReport);
  };
}

function addTo(line: Line, bytes: Uint8Array): void {
  if (line.passedOver || bytes.length === 0) return;
  if (line.size === 0 && bytes[0] !== BRACE) line.passedOver = true;
  line.size += bytes.length;
  if (line.size > MAX_LINE) line.passedOver = true;
  if (line.passedOver) line.parts = [];
  // A copy: the memory is the reader's.
  else line.parts.push(Buffer.from(bytes));
}

function endLine(line: Line, onReport: (report: ProgramReport) => void): void {
  const { parts, passedOver } = line;
  line.parts = [];
  line.size = 0;
  line.passedOver = false;
  if (passedOver || parts.length === 0) return;
  const bytes = Buffer.concat(parts);
  if (!MARKS.some((mark) => bytes.includes(mark))) return;
  const report = readReport(object(parse(bytes.toString())));
  if (report !== undefined) onReport(report);
}

type Json = Readonly<Record<string, unknown>>;

/** Claude Code's `result` and Codex's `turn.completed`; undefined for anything else. */
export function readReport(event: Json | undefined): ProgramReport | undefined {
  if (event?.type === "result") return readClaude(event);
  if (event?.type === "turn.completed") return readCodex(event);
  return undefined;
}

function readClaude({ total_cost_usd: total, modelUsage }: Json): ProgramReport | undefined {
  const usd = amount(total);
  if (usd === undefined) return undefined;
  const models = Object.entries(object(modelUsage) ?? {}).map(([model, said]): ModelReport => {
    const own = object(said) ?? {};
    const cacheRead = tokens(own.cacheReadInputTokens);
    const cacheWrite = tokens(own.cacheCreationInputTokens);
    const usage = canonicalUsage({
      input: tokens(own.inputTokens) + cacheRead + cacheWrite,
      output: tokens(own.outputTokens),
      cacheRead,
      cacheWrite,
      cacheWrite1h: tokens(own.cacheCreationEphemeral1hInputTokens),
      reasoning: tokens(own.thinkingTokens),
      webSearches: tokens(own.webSearchRequests),
    });
    return { model: text(own.canonicalModel) ?? model, usage, usd: amount(own.costUSD) };
  });
  return { provider: "anthropic", format: "anthropic-messages", usd, models };
}

function readCodex({ usage: said }: Json): ProgramReport | undefined {
  const own = object(said);
  if (own === undefined) return undefined;
  const usage: Usage = canonicalUsage({
    input: tokens(own.input_tokens),
    output: tokens(own.output_tokens),
    cacheRead: tokens(own.cached_input_tokens),
    cacheWrite: tokens(own.cache_write_input_tokens),
    reasoning: tokens(own.reasoning_output_tokens),
  });
  if (usage.input + usage.output === 0) return undefined;
  const models = [{ model: undefined, usage, usd: undefined }];
  return { provider: "openai", format: "openai-responses", usd: undefined, models };
}

function amount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function tokens(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
