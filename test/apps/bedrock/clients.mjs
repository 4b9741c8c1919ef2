// Asks the stand-in at BEDROCK_URL with the clients of Bedrock runtime that go through fetch, and prints one line of JSON:
// what was raised or read, by client and case, and the calls that were metered.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { AnthropicBedrock } from "@anthropic-ai/bedrock-sdk";
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { ChatBedrockConverse } from "@langchain/aws";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import { generateText, streamText } from "ai";

const { flush, isBlocked, onCall, scope } = await import(process.env.SPENDFUSE_TEST_INDEX);
const { BEDROCK_URL: url } = process.env;
const MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
/** The stand-in breaks streams of this one off as we do. */
const CUT = "us.anthropic.claude-opus-4-5-v1:0";
const profile = (model) => `arn:aws:bedrock:us-east-1:123456789012:inference-profile/${model}`;

const metered = [];
onCall(({ format, model, scope: { agent }, stream, ending, quality, priced, usage, costUsd }) => {
  metered.push({ format, model, agent, stream, ending, quality, priced, usage, costUsd });
});

const ai = createAmazonBedrock({ region: "us-east-1", apiKey: "k", baseURL: url });
const anthropic = new AnthropicBedrock({ awsAccessKey: "a", awsSecretKey: "b", awsRegion: "us-east-1", baseURL: url });
const credentials = { accessKeyId: "a", secretAccessKey: "b" };
const requestHandler = new FetchHttpHandler();
const aws = new BedrockRuntimeClient({ region: "us-east-1", endpoint: url, credentials, requestHandler });

const messages = [{ role: "user", content: "Hi" }];
const converse = (model) => ({ modelId: profile(model), messages: [{ role: "user", content: [{ text: "Hi" }] }] });
const body = JSON.stringify({ anthropic_version: "bedrock-2023-05-31", max_tokens: 10, messages });

async function read(stream, textOf, leaves) {
  let text = "";
  for await (const event of stream) {
    text += textOf(event) ?? "";
    if (leaves && text !== "") break;
  }
  return text;
}

const langchain = (model) => new ChatBedrockConverse({ client: aws, model, region: "us-east-1", credentials });

const chunkText = ({ chunk }) => chunk && JSON.parse(new TextDecoder().decode(chunk.bytes)).delta?.text;

/** Each reads an answer to its end, or leaves a stream after its first text. */
const CLIENTS = {
  "AI SDK": async () => (await generateText({ model: ai(MODEL), prompt: "Hi" })).text,
  "AI SDK, streamed": async (leaves, model) => {
    let raised;
    const { textStream } = streamText({ model: ai(model), prompt: "Hi", onError: ({ error }) => (raised = error) });
    const text = await read(textStream, (piece) => piece, leaves);
    if (raised !== undefined) throw raised;
    return text;
  },
  "Anthropic's SDK": async () =>
    (await anthropic.messages.create({ model: MODEL, max_tokens: 10, messages })).content[0].text,
  "Anthropic's SDK, streamed": async (leaves, model) => {
    const stream = await anthropic.messages.create({ model, max_tokens: 10, messages, stream: true });
    return read(stream, ({ delta }) => delta?.text, leaves);
  },
  "AWS SDK, Converse": async () =>
    (await aws.send(new ConverseCommand(converse(MODEL)))).output.message.content[0].text,
  "AWS SDK, ConverseStream": async (leaves, model) => {
    const { stream } = await aws.send(new ConverseStreamCommand(converse(model)));
    return read(stream, ({ contentBlockDelta }) => contentBlockDelta?.delta.text, leaves);
  },
  "AWS SDK, InvokeModel": async () => {
    const answer = await aws.send(new InvokeModelCommand({ modelId: MODEL, body }));
    return JSON.parse(new TextDecoder().decode(answer.body)).content[0].text;
  },
  "AWS SDK, InvokeModelWithResponseStream": async (leaves, model) => {
    const answer = await aws.send(new InvokeModelWithResponseStreamCommand({ modelId: model, body }));
    return read(answer.body, chunkText, leaves);
  },
  "LangChain AWS": async () => (await langchain(MODEL).invoke("Hi")).text,
  "LangChain AWS, streamed": async (leaves, model) =>
    read(await langchain(model).stream("Hi"), ({ text }) => text, leaves),
};

const results = [];
for (const [client, ask] of Object.entries(CLIENTS)) {
  const cases = /[Ss]tream/.test(client) ? ["whole", "left", "cut", "refused"] : ["whole", "refused"];
  for (const which of cases) {
    const before = metered.length;
    const result = { client, which };
    try {
      result.text = await scope({ agent: which }, () => ask(which === "left", which === "cut" ? CUT : MODEL));
    } catch (error) {
      result.raised = error.name;
      result.blocked = isBlocked(error)?.reason;
    }
    await flush();
    results.push({ ...result, calls: metered.slice(before) });
  }
}
aws.destroy();
console.log(JSON.stringify(results));
process.exit();
