// Several instrumentations at once, and model calls of four SDKs. Nothing here knows that it is metered.
const { writeFileSync } = require("node:fs");

const on = new Set(process.env.INSTRUMENTATIONS.split(" "));
const tracer = on.has("dd-trace") ? require("dd-trace").init() : undefined;
if (on.has("dd-trace-as-opentelemetry")) new (require("dd-trace").init().TracerProvider)().register();

const spans = [];
const processor = {
  onStart() {},
  onEnd: ({ name, instrumentationScope, attributes }) =>
    spans.push({ by: instrumentationScope.name, name, attributes }),
  forceFlush: async () => {},
  shutdown: async () => {},
};
if (on.has("opentelemetry")) {
  const { NodeSDK } = require("@opentelemetry/sdk-node");
  const { OpenAIInstrumentation } = require("@opentelemetry/instrumentation-openai");
  const { UndiciInstrumentation } = require("@opentelemetry/instrumentation-undici");
  const instrumentations = [new UndiciInstrumentation()];
  if (on.has("instrumentation-openai")) instrumentations.push(new OpenAIInstrumentation());
  if (on.has("traceloop")) {
    const { OpenAIInstrumentation: Traceloop } = require("@traceloop/instrumentation-openai");
    instrumentations.push(new Traceloop());
  }
  if (on.has("openinference")) {
    const openai = require("@arizeai/openinference-instrumentation-openai");
    const anthropic = require("@arizeai/openinference-instrumentation-anthropic");
    instrumentations.push(new openai.OpenAIInstrumentation(), new anthropic.AnthropicInstrumentation());
  }
  new NodeSDK({ spanProcessors: [processor], metricReaders: [], instrumentations }).start();
}

const Anthropic = require("@anthropic-ai/sdk");
const OpenAI = require("openai");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createOpenAI } = require("@ai-sdk/openai");
const { generateText, registerTelemetry, streamText } = require("ai");

async function main() {
  if (on.has("ai-sdk-otel")) registerTelemetry(new (require("@ai-sdk/otel").OpenTelemetry)());
  const openai = new OpenAI();
  const anthropic = new Anthropic();
  const told = "You are bot of bot.";
  const go = { role: "user", content: "Go" };

  const chat = { model: "gpt-5", messages: [{ role: "system", content: told }, go] };
  await openai.chat.completions.create(chat);
  await read(await openai.chat.completions.create({ ...chat, stream: true }));
  const response = { model: "gpt-5", instructions: told, input: "Go" };
  await openai.responses.create(response);
  await read(await openai.responses.create({ ...response, stream: true }));

  const message = { model: "claude-sonnet-4-5", max_tokens: 100, system: told, messages: [go] };
  await anthropic.messages.create(message);
  await read(await anthropic.messages.create({ ...message, stream: true }));
  await anthropic.messages.stream(message).finalMessage();

  const telemetry = { functionId: "bot" };
  const generation = { model: createOpenAI().chat("gpt-5"), system: told, prompt: "Go", telemetry };
  await generateText(generation);
  await read(streamText({ ...generation, model: createOpenAI()("gpt-5") }).textStream);
  await read(
    streamText({
      ...generation,
      model: createAnthropic({ baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1` })("claude-sonnet-4-5"),
    }).textStream,
  );

  // Broken off, the rest of it still to come.
  const [hesitant, hasty] = [`${told} Wait for me.`, `${told} In one piece.`];
  const chatWith = (content) => ({ ...chat, stream: true, messages: [{ role: "system", content }, go] });
  for await (const _ of await openai.chat.completions.create(chatWith(hesitant))) break;
  await goOn();
  for await (const _ of await anthropic.messages.create({ ...message, stream: true, system: hesitant })) break;
  await goOn();
  // Left alone, though all of it has come.
  for await (const _ of await openai.chat.completions.create(chatWith(hasty))) break;

  // An agent as Datadog's LLM Observability has it.
  if (tracer?.llmobs.enabled) {
    await tracer.llmobs.trace({ kind: "agent", name: "Chief", sessionId: "s-1" }, () =>
      tracer.llmobs.trace({ kind: "workflow", name: "flow" }, () =>
        tracer.llmobs.trace({ kind: "agent", name: "helper" }, () =>
          openai.chat.completions.create({
            ...chat,
            messages: [{ role: "system", content: "You are helper of chief." }, go],
          }),
        ),
      ),
    );
  }
}

/** Has the model send what it withholds, to whoever still reads it. */
async function goOn() {
  await (await fetch(new URL("/go-on", process.env.OPENAI_BASE_URL))).text();
}

async function read(stream) {
  for await (const _ of stream) {
  }
}

process.on("exit", () => writeFileSync(process.env.SPANS, JSON.stringify(spans)));
main();
