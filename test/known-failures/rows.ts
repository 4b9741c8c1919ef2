/** A row of `../shared/reference/known-failures.md`: where its test is, or why a meter cannot have the failure. */
export interface Row {
  readonly section: "1" | "1 defects" | "2.1" | "2.2" | "2.3" | "2.4" | "2.5" | "2.6";
  /** The row's first cell, or the beginning of it. The name of its test begins with the same words. */
  readonly row: string;
  /** A file beside this one. */
  readonly test?: string;
  /** What of the row is not the meter's. */
  readonly why?: string;
}

const rows = (section: Row["section"], test: string, names: readonly string[]): readonly Row[] =>
  names.map((row) => ({ section, row, test }));

export const ROWS: readonly Row[] = [
  ...rows("1", "section-1.test.ts", [
    "chat, include_usage",
    "chat without it",
    "chat, break",
    "chat, AbortSignal",
    "chat, never consumed",
    ".create().withResponse()",
    ".toReadableStream()",
    "chat.completions.stream()",
    "Responses, completed",
    "response.incomplete",
    "Responses, break",
    "Anthropic, full",
    "Anthropic, break",
    "messages.stream()",
  ]),
  ...rows("1 defects", "section-1-defects.test.ts", [
    "TL 0.27 and OC 0.22",
    "OC break or socket drop",
    "OI tees and drains",
    "TL enrichTokens overwrites 1000/50 with 2/10",
    "OL adds start + cumulative delta (51)",
    "OC without setMeterProvider: the user's stream throws on record",
    "floe-guard TS: cancelled stream $0",
    "AB (commit f320234): over-limit cost not recorded",
    "Native Anthropic span plus another instrumentation: two spans, full tokens each",
  ]),
  ...rows("2.1", "stream-endings.test.ts", [
    "AgentBudget/agentbudget#15",
    "vercel/ai#7805 (open)",
    "openai-agents-js#995 (open), openai-agents-python#1722",
    "google-gemini/gemini-cli#28682",
    "one-switch#3",
    "coder/xum PR 1372; mastra-ai/mastra#15302, #22972; Arize-ai/openinference#3790",
    "DataDog/dd-trace-py PR 20473",
  ]),
  {
    section: "2.1",
    row: "minga#2460",
    test: "stream-endings.test.ts",
    why: "a vendor's cap in the middle of a stream is tested here; that ours wedges nothing, in test/guard/guard.test.ts",
  },
  ...rows("2.2", "usage-missing.test.ts", [
    "langfuse#8625",
    "langfuse#4027, #17696 (PR 17699); traceloop/openllmetry#627, openllmetry-js#352",
    "vercel/ai#3268, #5736 (xAI)",
    "vercel/ai PR 17986 (TogetherAI)",
    "traceloop/openllmetry#3395",
    "claude-code-router#1234",
    "openai-agents-js#107, cline#8384, Portkey gateway#1627, llama.cpp#15461",
    "OmniRoute#1836, opencode#4698, vercel/ai PR 1578 (Groq), litellm PR 35290 (Bytez, OCI)",
    "9router PR 3081",
  ]),
  ...rows("2.3", "wrong-counts.test.ts", ["langfuse#12306, pydantic-ai#4364, langfuse#10592 (OpenRouter)"]),
  {
    section: "2.3",
    row: "PostHog/posthog-js#2829",
    test: "wrong-counts.test.ts",
    why: "no adapter reads the AI SDK's own figures: the vendor's are read below it, under any major",
  },
  ...rows("2.3", "wrong-counts.test.ts", [
    "dd-trace-py#13869, PR 16818; langfuse#13811, #9482; litellm#11789, #11364, #7790",
    "litellm#40006 (PR 40016), #6575; browser-use#5305, aider#5516",
    "browser-use#4065, opencode#17566, tokscale#1142",
    "llama_index PR 22311, rust-genai PR 258",
  ]),
  {
    section: "2.3",
    row: "litellm PR 40002",
    test: "wrong-counts.test.ts",
    why: "reservations are the guard's; the tier in a meter's own estimate is tested",
  },
  ...rows("2.3", "wrong-counts.test.ts", ["claude-code#63536"]),
  ...rows("2.4", "unknown-as-zero.test.ts", [
    "litellm PR 37924, PR 40950",
    "loomkin#156, tokei PR 43",
    "litellm#16021, preloop PR 222, egg#3691",
    "deputy#29, curie-eng/curie#547; dd-trace-py#13836",
  ]),
  ...rows("2.5", "enforcement.test.ts", [
    "litellm#26672, #27381, #23714",
    "litellm#34732, #40095",
    "litellm#27639, #40050, #36926, #27735, PR 30522",
    "litellm#40020",
    "litellm#20615",
    "openai-agents-python#2848, #3353",
  ]),
  { section: "2.5", row: "two blog posts [unconfirmed]", why: "a story, not a case; the breaker is what was missing" },
  {
    section: "2.6",
    row: "dd-trace-py#18772",
    test: "telemetry.test.ts",
    why: "Bedrock's binary event streams do not pass through fetch; its server-sent events are tested",
  },
  ...rows("2.6", "telemetry.test.ts", ["dd-trace-py#19760", "claude-code#56317"]),
  {
    section: "2.6",
    row: "claude-code#92776",
    test: "telemetry.test.ts",
    why: "the monitor on missing data is not the meter's; that what was exported is what was spent is tested",
  },
  // Its row names section 1, whose cases are the suite.
  { section: "2.6", row: "section 1", test: "section-1.test.ts" },
];
