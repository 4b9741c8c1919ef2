import { writeFileSync } from "node:fs";
import http from "node:http";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { ChatBedrockConverse } from "@langchain/aws";
import axios from "axios";
import got from "got";
import needle from "needle";
import nodeFetch from "node-fetch";
import nodeFetch2 from "node-fetch-2";
import OpenAI from "openai";
import superagent from "superagent";

/** Calls a model with each client: whole, streamed, broken off and refused, as its arguments say. */
const { MODEL_URL, BEDROCK_URL, SEEN } = process.env;
const refused = process.argv[2] === "refused";
const URL = `${MODEL_URL}/v1/chat/completions`;
/** Begins an answer, and sends no more of it. */
const HANGING = `${MODEL_URL}/hanging/v1/chat/completions`;
const ASK = { model: "gpt-5-mini", messages: [{ role: "user", content: "Say hello, please." }] };
const WHOLE = JSON.stringify(ASK);
const STREAM = JSON.stringify({ ...ASK, stream: true });
const headers = { "content-type": "application/json", authorization: "Bearer sk-test" };

const textOf = async (stream) => {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
};
const firstOf = async (stream) => {
  for await (const chunk of stream) return String(chunk).length > 0;
};
const post = (body, url = URL) =>
  new Promise((resolve, reject) => {
    http.request(url, { method: "POST", headers }, resolve).on("error", reject).end(body);
  });
const openai = new OpenAI({ apiKey: "sk-test", baseURL: `${MODEL_URL}/v1`, maxRetries: 0, fetch: nodeFetch2 });
const credentials = { accessKeyId: "a", secretAccessKey: "s" };
const aws = { region: "eu-west-1", endpoint: BEDROCK_URL, credentials, maxAttempts: 1 };
const h2 = new BedrockRuntimeClient(aws);
const { NodeHttpHandler } = await import("@smithy/node-http-handler");
const h1 = new BedrockRuntimeClient({ ...aws, requestHandler: new NodeHttpHandler() });
const converse = {
  modelId: "anthropic.claude-sonnet-4-5-20250929-v1:0",
  messages: [{ role: "user", content: [{ text: "Say hello." }] }],
};
const bedrock = (client) => ({
  whole: async () => (await client.send(new ConverseCommand(converse))).output.message.content[0].text,
  stream: async () => {
    let text = "";
    for await (const event of (await client.send(new ConverseStreamCommand(converse))).stream)
      text += event.contentBlockDelta?.delta?.text ?? "";
    return text;
  },
});
const langchain = new ChatBedrockConverse({
  ...aws,
  client: h2,
  model: converse.modelId,
  maxRetries: 0,
});

const CLIENTS = {
  "node:http": {
    whole: async () => textOf(await post(WHOLE)),
    stream: async () => textOf(await post(STREAM)),
    broken: async () => firstOf(await post(STREAM, HANGING)),
  },
  axios: {
    whole: async () => (await axios.post(URL, ASK, { headers, adapter: "http" })).data,
    stream: async () =>
      textOf((await axios.post(URL, STREAM, { headers, adapter: "http", responseType: "stream" })).data),
    broken: async () =>
      firstOf((await axios.post(HANGING, STREAM, { headers, adapter: "http", responseType: "stream" })).data),
  },
  got: {
    whole: () => got.post(URL, { json: ASK, headers, retry: { limit: 0 } }).json(),
    stream: () => textOf(got.stream.post(URL, { body: STREAM, headers, retry: { limit: 0 } })),
    broken: () => firstOf(got.stream.post(HANGING, { body: STREAM, headers, retry: { limit: 0 } })),
  },
  "node-fetch 3": {
    whole: async () => ok(await nodeFetch(URL, { method: "POST", headers, body: WHOLE })).then((r) => r.json()),
    stream: async () => ok(await nodeFetch(URL, { method: "POST", headers, body: STREAM })).then((r) => r.text()),
    broken: async () => firstOf((await ok(await nodeFetch(HANGING, { method: "POST", headers, body: STREAM }))).body),
  },
  "node-fetch 2": {
    whole: async () => ok(await nodeFetch2(URL, { method: "POST", headers, body: WHOLE })).then((r) => r.json()),
    stream: async () => ok(await nodeFetch2(URL, { method: "POST", headers, body: STREAM })).then((r) => r.text()),
  },
  superagent: {
    whole: async () => (await superagent.post(URL).set(headers).send(ASK)).body,
    stream: async () => (await superagent.post(URL).set(headers).buffer(true).send(STREAM)).text,
  },
  needle: {
    whole: async () => okNeedle(await needle("post", URL, ASK, { json: true, headers })).body,
    stream: async () => okNeedle(await needle("post", URL, STREAM, { headers })).body.toString(),
  },
  "openai 4": {
    whole: () => openai.chat.completions.create(ASK),
    stream: async () => {
      let text = "";
      for await (const chunk of await openai.chat.completions.create({ ...ASK, stream: true }))
        text += JSON.stringify(chunk);
      return text;
    },
  },
  "AWS SDK over HTTP/2": bedrock(h2),
  "AWS SDK over HTTP/1": bedrock(h1),
  "LangChain AWS": {
    whole: async () => (await langchain.invoke("Say hello.")).content,
    stream: async () => {
      let text = "";
      for await (const chunk of await langchain.stream("Say hello.")) text += chunk.text;
      return text;
    },
  },
};

async function ok(response) {
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response;
}

function okNeedle(response) {
  if (response.statusCode >= 400) throw new Error(`status ${response.statusCode}`);
  return response;
}

const seen = {};
for (const [client, ways] of Object.entries(CLIENTS))
  for (const [way, run] of Object.entries(ways)) {
    if (refused && way === "broken") continue;
    seen[`${client}, ${way}`] = await run().then(
      (value) => ({ value }),
      (error) => {
        // An answer that nobody reads holds its socket.
        error.response?.data?.destroy?.();
        return { error: error.name };
      },
    );
  }
h2.destroy();
h1.destroy();
writeFileSync(SEEN, JSON.stringify(seen));
