/**
 * Tokens and counts of one call, in one canonical meaning for all vendors:
 * `input` includes cache reads and writes, `output` includes reasoning, every other field is a part of one of them.
 */
export interface Usage {
  /** All input tokens, cached ones included. */
  readonly input: number;
  /** All output tokens, reasoning included. */
  readonly output: number;
  /** Part of `input` that was read from a cache. */
  readonly cacheRead: number;
  /** Part of `input` that was written to a cache, whatever its time to live. */
  readonly cacheWrite: number;
  /** Part of `cacheWrite` kept for an hour, which costs more. */
  readonly cacheWrite1h: number;
  /** Part of `output` that was reasoning. */
  readonly reasoning: number;
  /** Billable web searches the vendor ran inside the call. A count, not tokens. */
  readonly webSearches: number;
  /** Part of `input` that was audio. */
  readonly inputAudio?: number;
  /** Part of `cacheRead` that was audio. */
  readonly cacheReadAudio?: number;
  /** Part of `output` that was audio. */
  readonly outputAudio?: number;
  /** Part of `output` that was images. */
  readonly outputImage?: number;
  /** Part of `input` that was images, where their rate may differ from that of text. */
  readonly inputImage?: number;
  /** The tool of `webSearches` where its price is not that of the vendor's ordinary one, such as `web_search_preview`. */
  readonly searchTool?: string;
  /** Counts of what is billed besides tokens and web searches. Absent on nearly all calls. */
  readonly units?: Units;
}

/** Counts by the name of the billed part, such as `file_search`: calls, containers, or what its vendor counts. */
export type Units = Readonly<Record<string, number>>;

/** The kinds in which tokens are shown. They never overlap, so they add up to input + output. */
export const TOKEN_TYPES = ["input_uncached", "cache_read", "cache_write", "output", "reasoning"] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

export const NO_USAGE: Usage = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  reasoning: 0,
  webSearches: 0,
};

export { reportedCount as count } from "./figures.ts";

/** A count as it is added up: anything that is not a finite number above zero is 0, so that NaN never spreads. */
function whole(value: unknown): number {
  return typeof value === "number" && value > 0 && value < Number.MAX_SAFE_INTEGER ? Math.round(value) : 0;
}

/** Makes the parts fit their whole, so that no kind is ever negative and nothing is counted twice. */
export function canonicalUsage(parts: Partial<Usage>): Usage {
  let {
    input = 0,
    output = 0,
    cacheRead = 0,
    cacheWrite = 0,
    cacheWrite1h = 0,
    reasoning = 0,
    webSearches = 0,
  } = parts;
  // Nearly all counts are small integers, which need no further checks.
  if (!areSmallCounts(input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning, webSearches)) {
    input = whole(input);
    output = whole(output);
    cacheRead = whole(cacheRead);
    cacheWrite = whole(cacheWrite);
    cacheWrite1h = whole(cacheWrite1h);
    reasoning = whole(reasoning);
    webSearches = whole(webSearches);
  }
  if (cacheRead > input) cacheRead = input;
  if (cacheWrite > input - cacheRead) cacheWrite = input - cacheRead;
  if (cacheWrite1h > cacheWrite) cacheWrite1h = cacheWrite;
  if (reasoning > output) reasoning = output;
  const usage: { -readonly [K in keyof Usage]: Usage[K] } = {
    input,
    output,
    cacheRead,
    cacheWrite,
    cacheWrite1h,
    reasoning,
    webSearches,
  };
  if (parts.inputAudio) usage.inputAudio = Math.min(whole(parts.inputAudio), input);
  if (parts.cacheReadAudio) usage.cacheReadAudio = Math.min(whole(parts.cacheReadAudio), cacheRead);
  if (parts.outputAudio) usage.outputAudio = Math.min(whole(parts.outputAudio), output);
  if (parts.outputImage) usage.outputImage = Math.min(whole(parts.outputImage), output);
  if (parts.inputImage) usage.inputImage = Math.min(whole(parts.inputImage), input);
  if (parts.searchTool) usage.searchTool = parts.searchTool;
  if (parts.units) usage.units = parts.units;
  return usage;
}

/** Whether all are whole numbers from 0 to 2^31 - 1, whatever their type says. */
function areSmallCounts(a: number, b: number, c: number, d: number, e: number, f: number, g: number): boolean {
  return (
    (a | 0) === a &&
    (b | 0) === b &&
    (c | 0) === c &&
    (d | 0) === d &&
    (e | 0) === e &&
    (f | 0) === f &&
    (g | 0) === g &&
    (a | b | c | d | e | f | g) >= 0
  );
}

function onlyUses(units: Units): Units | undefined {
  const uses = Object.entries(units).filter(([, count]) => count > 0);
  return uses.length > 0 ? Object.fromEntries(uses) : undefined;
}

/** `whole` minus `part`, kind by kind, never below zero. */
export function restOf(whole: Usage, part: Usage): Usage {
  const { searchTool, units, ...counts } = whole;
  const rest: Partial<Record<keyof Usage, unknown>> = remaining(counts, part as unknown as Units);
  if (searchTool !== undefined) rest.searchTool = searchTool;
  if (units !== undefined) rest.units = onlyUses(remaining(units, part.units ?? {}));
  return canonicalUsage(rest as Partial<Usage>);
}

/** Every count of `whole` minus that of `part`, never below zero. */
function remaining(whole: Readonly<Record<string, number>>, part: Units): Record<string, number> {
  const rest: Record<string, number> = {};
  for (const [kind, value] of Object.entries(whole)) rest[kind] = Math.max(value - (part[kind] ?? 0), 0);
  return rest;
}

/** Tokens by kind, in the order of {@link TOKEN_TYPES}; they add up to `input + output`. */
export function tokensByType(usage: Usage): readonly [number, number, number, number, number] {
  return [
    usage.input - usage.cacheRead - usage.cacheWrite,
    usage.cacheRead,
    usage.cacheWrite,
    usage.output - usage.reasoning,
    usage.reasoning,
  ];
}
