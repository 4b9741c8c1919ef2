// An app that has never heard of us, with each client in turn. Its server's address is in SERVER.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.env.APP_ROOT));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const server = process.env.SERVER;
const http = server.replace("wss:", "https:");
const until = (register) => new Promise((resolve, reject) => register(resolve, reject));

const { default: OpenAI } = await load("openai");
const client = new OpenAI({ apiKey: "sk-test", baseURL: `${http}/v1` });

const CLIENTS = {
  async "openai realtime, ws"() {
    const { OpenAIRealtimeWS } = await load("openai/realtime/ws");
    await realtime(new OpenAIRealtimeWS({ model: "gpt-realtime" }, client));
  },
  async "openai realtime, browser style"() {
    const { OpenAIRealtimeWebSocket } = await load("openai/realtime/websocket");
    await realtime(new OpenAIRealtimeWebSocket({ model: "gpt-realtime", dangerouslyAllowBrowser: true }, client));
  },
  async "openai responses, ws"() {
    const { ResponsesWS } = await load("openai/resources/responses/ws");
    const socket = new ResponsesWS(client);
    await until((resolve, reject) => {
      socket.on("error", reject);
      socket.on("response.completed", resolve);
      socket.send({ type: "response.create", model: "gpt-5.1", input: "Say hello" });
    });
    socket.close();
  },
  async "@openai/agents-realtime"() {
    const { OpenAIRealtimeWebSocket } = await load("@openai/agents-realtime");
    const transport = new OpenAIRealtimeWebSocket({
      url: `${server}/v1/realtime?model=gpt-realtime`,
      useInsecureApiKey: true,
    });
    await transport.connect({
      apiKey: "sk-test",
      model: "gpt-realtime",
      url: `${server}/v1/realtime?model=gpt-realtime`,
    });
    await until((resolve, reject) => {
      transport.on("error", ({ error }) => reject(error));
      transport.on("turn_done", resolve);
      transport.sendEvent({ type: "response.create" });
    });
    transport.close();
  },
  async "@google/genai live"() {
    const { GoogleGenAI, Modality } = await load("@google/genai");
    const ai = new GoogleGenAI({ apiKey: "g", httpOptions: { baseUrl: http } });
    let done;
    const turn = until((resolve, reject) => {
      done = { resolve, reject };
    });
    // Where the handshake fails, connecting never ends.
    const connecting = ai.live.connect({
      model: "gemini-live-2.5-flash",
      config: { responseModalities: [Modality.AUDIO] },
      callbacks: {
        onmessage: (message) => {
          if (message.serverContent?.turnComplete) done.resolve();
        },
        onerror: done.reject,
      },
    });
    const session = await Promise.race([connecting, turn.then(() => connecting)]);
    session.sendClientContent({ turns: [{ role: "user", parts: [{ text: "Hi" }] }], turnComplete: true });
    await turn;
    session.close();
  },
  async "ws, bare"() {
    const { default: WsSocket } = await load("ws");
    await bare(new WsSocket(`${server}/v1/responses`));
  },
  async "global WebSocket, bare"() {
    await bare(new WebSocket(`${server}/v1/responses`));
  },
};

async function realtime(socket) {
  await until((resolve, reject) => {
    socket.on("error", reject);
    socket.on("response.done", resolve);
    const target = socket.socket;
    const ask = () => socket.send({ type: "response.create" });
    target.addEventListener("open", ask);
  });
  socket.close();
}

async function bare(socket) {
  await until((resolve, reject) => {
    socket.addEventListener("error", reject);
    socket.addEventListener("message", ({ data }) => {
      if (data.includes("response.completed")) resolve();
    });
    socket.addEventListener("open", () =>
      socket.send(JSON.stringify({ type: "response.create", model: "gpt-5.1", input: "Hi" })),
    );
  });
  socket.close();
}

const ran = [];
for (const [name, run] of Object.entries(CLIENTS)) {
  if (process.env.ONLY && process.env.ONLY !== name) continue;
  try {
    await Promise.race([run(), new Promise((_, reject) => setTimeout(reject, 10_000, new Error("no answer")).unref())]);
    ran.push({ name, outcome: "answered" });
  } catch (error) {
    ran.push({ name, outcome: `failed: ${error?.message ?? error?.error?.message ?? error}` });
  }
}
console.log(`RAN ${JSON.stringify(ran)}`);
