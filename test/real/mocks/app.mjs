import { writeFileSync } from "node:fs";
import https from "node:https";
import axios from "axios";
import OpenAI from "openai";
import WebSocket from "ws-7";

/** Calls a model whose answers a mocking library gives, and one that it lets pass; as in an app's own tests. */
const [library] = process.argv.slice(2);
const { MODEL_URL, SOCKET_URL, SEEN } = process.env;
const HOST = "https://api.openai.com";
const PATH = "/v1/chat/completions";
const ASK = { model: "gpt-5-mini", messages: [{ role: "user", content: "Say hello, please." }] };
const headers = { "content-type": "application/json", authorization: "Bearer sk-test" };
const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const head = { id: "chatcmpl-1", created: 1, model: "gpt-5-mini" };
const whole = {
  ...head,
  object: "chat.completion",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello." } }],
  usage,
};
const chunk = (more) => `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...more })}\n\n`;
/** As the vendor's: usage is told only where it is asked for. */
const streamFor = (body) =>
  chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "Hello." } }] }) +
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }) +
  (body.stream_options?.include_usage ? chunk({ choices: [], usage }) : "") +
  "data: [DONE]\n\n";
const EVENTS = { "content-type": "text/event-stream" };

const LIBRARIES = {
  async nock() {
    const { default: nock } = await import("nock");
    nock.disableNetConnect();
    nock.enableNetConnect("127.0.0.1");
    const answers = [
      [(body) => !body.stream, whole],
      [(body) => body.stream && !body.stream_options, streamFor({}), EVENTS],
      [(body) => body.stream && body.stream_options, streamFor({ stream_options: { include_usage: true } }), EVENTS],
    ];
    for (const [matches, ...answer] of answers)
      nock(HOST)
        .persist()
        .post(PATH, matches)
        .reply(200, ...answer);
    nock(HOST).persist().post("/broken/v1/chat/completions").replyWithError("connection lost");
    return () => nock.restore();
  },
  async msw() {
    const { http, HttpResponse } = await import("msw");
    const { setupServer } = await import("msw/node");
    const server = setupServer(
      http.post(HOST + PATH, async ({ request }) => {
        const body = await request.json();
        return body.stream ? new HttpResponse(streamFor(body), { headers: EVENTS }) : HttpResponse.json(whole);
      }),
      http.post(`${HOST}/broken/v1/chat/completions`, () => HttpResponse.error()),
    );
    server.listen({ onUnhandledRequest: "bypass" });
    return () => server.close();
  },
};

const bodyOf = (streams) => JSON.stringify(streams ? { ...ASK, stream: true } : ASK);
const clients = {
  fetch: async (host, streams) => (await fetch(host + PATH, { method: "POST", headers, body: bodyOf(streams) })).text(),
  axios: async (host, streams) =>
    (await axios.post(host + PATH, bodyOf(streams), { headers, responseType: "text" })).data,
  "node:https": (host, streams) =>
    new Promise((resolve, reject) => {
      https
        .request(host + PATH, { method: "POST", headers }, (response) =>
          response.toArray().then((chunks) => resolve(Buffer.concat(chunks).toString()), reject),
        )
        .on("error", reject)
        .end(bodyOf(streams));
    }),
  async openai(host, streams) {
    const client = new OpenAI({ apiKey: "sk-test", baseURL: `${host}/v1`, maxRetries: 0 });
    if (!streams) return (await client.chat.completions.create(ASK)).choices[0].message.content;
    let text = "";
    for await (const part of await client.chat.completions.create({ ...ASK, stream: true }))
      text += part.choices[0]?.delta.content ?? "";
    return text;
  },
};
const socket = () =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(`${SOCKET_URL}/v1/responses`);
    const seen = [];
    ws.on("error", reject);
    ws.on("open", () => ws.send(JSON.stringify({ type: "response.create", model: "gpt-5.1", input: "Hi" })));
    ws.on("message", (data) => {
      seen.push(JSON.parse(String(data)).type);
      if (seen.at(-1) === "response.completed") ws.close();
    });
    ws.on("close", (code) => resolve([code, ...seen]));
  });

const seen = {};
const tell = async (name, run) => {
  try {
    seen[name] = { value: await run() };
  } catch (error) {
    seen[name] = { error: `${error.name} ${error.status ?? ""} ${error.message}` };
  }
};
if (library === "ws-7") await tell("ws 7", socket);
else {
  const restore = await LIBRARIES[library]();
  for (const [name, ask] of Object.entries(clients)) {
    for (const streams of [false, true]) {
      const kind = streams ? "streamed" : "whole";
      await tell(`${name}, ${kind}, mocked`, () => ask(HOST, streams));
      if (name !== "node:https") await tell(`${name}, ${kind}, passed on`, () => ask(MODEL_URL, streams));
    }
    await tell(`${name}, failed`, () => ask(`${HOST}/broken`, false));
  }
  restore();
  await tell("fetch, after it", () => clients.fetch(MODEL_URL, false));
}
writeFileSync(SEEN, JSON.stringify(seen));
