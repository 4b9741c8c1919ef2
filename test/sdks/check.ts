import { expect } from "vitest";
import { hashKey, type SettledCall } from "../../src/index.ts";
import type { Tokens } from "../recordings/recording.ts";
import type { Expected } from "./endings.ts";
import { KEY, type Row, type Run } from "./row.ts";
import type { HostKind } from "./shape.ts";

/** USD per million tokens of every model here. */
export const RATES = { inputPerMTok: 2, outputPerMTok: 8, cacheReadPerMTok: 0.5, cacheWritePerMTok: 3 };

const PROVIDER: Readonly<Record<HostKind, string>> = {
  openai: "openai",
  unknown: "openai",
  azure: "azure.ai.openai",
  anthropic: "anthropic",
  google: "gcp.gemini",
};

/** USD, counted here and nowhere else. */
function priceOf({ input, output, cacheRead, cacheWrite }: Tokens): number {
  const fresh = input - cacheRead - cacheWrite;
  return (fresh * 2000 + cacheRead * 500 + cacheWrite * 3000 + output * 8000) / 1e9;
}

/** What the meter says of a row's calls. */
export function checkCalls(
  { shape, ending, body }: Row,
  calls: readonly SettledCall[],
  visits: Run["visits"],
  agent: string,
): void {
  const silent = body.silent;
  expect(calls.map((call) => call.ending)).toEqual(ending.calls.map((call) => call.ending));
  for (const [index, call] of calls.entries()) {
    const expected = ending.calls[index] as Expected;
    const usage = silent !== undefined && expected.usage === "vendor" ? "cut" : expected.usage;
    expect(call.scope).toMatchObject({ agent, rootAgent: agent, team: "sdks", run: agent, key: hashKey(KEY) });
    expect(call).toMatchObject({
      provider: PROVIDER[shape.host],
      format: body.dialect.format,
      requestModel: body.model,
    });
    const { usage: tokens } = call;
    if (usage === "none") {
      expect(call).toMatchObject({ quality: "unknown", priced: "none" });
      expect(tokens).toBeUndefined();
      expect(call.costUsd).toBeUndefined();
      continue;
    }
    if (tokens === undefined) throw new Error(`no usage: ${JSON.stringify(call)}`);
    expect(call.costUsd).toBeCloseTo(priceOf(tokens), 12);
    expect(call).toMatchObject({ priced: "true", costSource: "local" });
    if (usage === "vendor") {
      expect(call.quality).toBe("reported");
      expect(tokens).toMatchObject(body.usage);
      expect(call.costUsd).toBeCloseTo(priceOf(body.usage), 12);
      continue;
    }
    const ahead = usage === "input" && call.status !== undefined && shape.readsAhead;
    const shown = expected.usage === "vendor" ? (silent as string) : usage === "cut" || ahead ? body.shown : "";
    const soFar = usage === "cut" ? body.soFar : undefined;
    const least = usage === "cut" ? Math.ceil(shown.length / 7) : 0;
    const most = shown.length / 2 + (shown === "" ? 0 : 40 * (body.toolCalls ?? 0));
    checkEstimate(call, soFar, least, most, visits[index]?.body ?? "");
  }
}

/** An estimate is near what passed by, and exact in what the vendor had reported by then. */
function checkEstimate(
  call: SettledCall,
  soFar: Partial<Tokens> | undefined,
  least: number,
  most: number,
  request: string,
): void {
  const tokens = call.usage as Tokens;
  const reported = soFar?.output !== undefined;
  expect(call.quality).toBe(reported ? "reported" : "estimated");
  if (soFar) expect(tokens).toMatchObject(soFar);
  else {
    // The request's text is a part of its body: never more than a token for each three bytes, nor less than one for 30.
    // To have tools at all costs more.
    expect(tokens.input).toBeGreaterThan(request.length / 30);
    expect(tokens.input).toBeLessThan(request.length / 3 + (request.includes('"tools"') ? 500 : 0));
  }
  if (reported) return;
  expect(tokens.output).toBeGreaterThanOrEqual(least);
  expect(tokens.output).toBeLessThanOrEqual(most);
}

/** What the caller and the server see, with us and without us. */
export function checkUnnoticed({ shape, ending }: Row, bare: Run, metered: Run): void {
  expect(metered.got).toEqual(bare.got);
  expect(metered.visits.length).toBe(bare.visits.length);
  for (const [index, visit] of metered.visits.entries()) {
    const other = bare.visits[index]!;
    expect([visit.method, visit.path]).toEqual([other.method, other.path]);
    const { "content-length": _a, "idempotency-key": _b, ...headers } = visit.headers;
    const { "content-length": _c, "idempotency-key": _d, ...otherHeaders } = other.headers;
    expect({ ...headers, host: "" }).toEqual({ ...otherHeaders, host: "" });
    const asks = shape.kind === "stream" && (shape.host === "openai" || shape.host === "azure") && isChat(visit.path);
    const sent = JSON.parse(visit.body) as object;
    const meant = JSON.parse(other.body) as { stream_options?: object };
    if (!asks) expect(visit.body).toBe(other.body);
    else expect(sent).toEqual({ ...meant, stream_options: { ...meant.stream_options, include_usage: true } });
  }
  if (!ending.leaves) return;
  expect(metered.over?.by).toBe(bare.over?.by);
}

function isChat(path: string): boolean {
  return path.includes("/chat/completions");
}
