import { type ClientRequest, request } from "node:http";
import undici from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../../src/core/call.ts";
import { isBlocked } from "../../../../src/guard/blocked.ts";
import { createRuntime, type Runtime } from "../../../../src/process/runtime.ts";
import { startWebSocketServer, type WebSocketServer } from "../../../servers/websocket-server.ts";
import { type Client, connect, LIBRARIES } from "./clients.ts";

const REALTIME = "/v1/realtime?model=gpt-realtime";
const RESPONSES = "/v1/responses";
const LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
const TURN = { clientContent: { turns: [{ role: "user", parts: [{ text: "Hi" }] }], turnComplete: true } };
const ASK = { type: "response.create", model: "gpt-5.1", input: "Say hello" };

let server: WebSocketServer;
let runtime: Runtime;
let calls: SettledCall[];
let warnings: string[];

async function start(config: object = {}, host: object = { like: "api.openai.com" }): Promise<void> {
  runtime = createRuntime((message) => warnings.push(message));
  await runtime.start({
    telemetry: false,
    env: {},
    config: { hosts: [{ host: server.host, ...host }], ...config } as never,
  });
  runtime.listeners.add((call) => calls.push(call));
}

async function settled(count: number): Promise<SettledCall[]> {
  await expect.poll(() => calls.length).toBe(count);
  return calls;
}

beforeEach(async () => {
  server = await startWebSocketServer();
  calls = [];
  warnings = [];
});

afterEach(async () => {
  expect(runtime.faults.counts()).toEqual(new Map());
  await runtime.stop();
  await server.close();
});

async function open(library: () => typeof WebSocket, path: string, headers?: Record<string, string>): Promise<Client> {
  const client = connect(library, `${server.url}${path}`, headers);
  await client.until("open");
  return client;
}

describe.for(Object.entries(LIBRARIES))("%s", ([, library]) => {
  test("a response of Realtime is a call, with text, audio and cached tokens apart", async () => {
    await start();
    const client = await open(library, REALTIME, { authorization: "Bearer sk-x", "x-spendfuse-agent": "voice" });
    client.send({ type: "response.create" });
    await client.until("response.done");
    client.send({ type: "response.create" });
    const [call] = await settled(2);
    expect(call).toMatchObject({
      format: "openai-realtime",
      model: "gpt-realtime",
      ending: "completed",
      quality: "reported",
      stream: true,
      priced: "true",
      scope: { agent: "voice" },
      usage: {
        ...{ input: 132, output: 121, cacheRead: 64, inputAudio: 13, cacheReadAudio: 4, outputAudio: 91 },
      },
    });
    // 59 text and 9 audio fresh, 60 and 4 cached, 30 text and 91 audio out.
    expect(call?.costUsd).toBeCloseTo((59 * 4 + 9 * 32 + 60 * 0.4 + 4 * 0.4 + 30 * 16 + 91 * 64) / 1e6, 9);
    expect(server.handshakes[0]?.headers).not.toHaveProperty("x-spendfuse-agent");
    expect(warnings).toEqual([]);
  });

  test("a message sent as soon as the socket is open is metered", async () => {
    await start();
    const client = connect(library, `${server.url}${RESPONSES}`);
    client.socket.addEventListener("open", () => client.send(ASK));
    const [call] = await settled(1);
    expect(call).toMatchObject({
      format: "openai-responses",
      model: "gpt-5.1",
      usage: { input: 100, cacheRead: 40, reasoning: 5 },
    });
  });

  test("a response that the server begins, and a transcription, are calls", async () => {
    await start();
    const client = await open(library, REALTIME);
    client.send({
      type: "session.update",
      session: { type: "realtime", audio: { input: { transcription: { model: "gpt-4o-transcribe" } } } },
    });
    client.send({ type: "input_audio_buffer.commit" });
    const [transcription, response] = await settled(2);
    expect(transcription).toMatchObject({
      model: "gpt-4o-transcribe",
      usage: { input: 14, inputAudio: 14, output: 5 },
      quality: "reported",
      ending: "completed",
    });
    expect(response).toMatchObject({ model: "gpt-realtime", ending: "completed", usage: { input: 132 } });
  });

  test("a transcription by time is charged by its seconds", async () => {
    await start();
    const client = await open(library, REALTIME);
    client.send({ type: "session.update", session: { input_audio_transcription: { model: "whisper-1" } } });
    client.send({ type: "input_audio_buffer.commit", by: "time" });
    const [transcription] = await settled(2);
    expect(transcription).toMatchObject({ model: "whisper-1", usage: { units: { transcription_seconds: 13 } } });
    expect(transcription?.costUsd).toBeCloseTo((13 * 0.006) / 60, 9);
  });

  test("a warm-up of Responses costs nothing, and an error settles its request", async () => {
    await start();
    const client = await open(library, RESPONSES);
    client.send({ ...ASK, generate: false });
    await settled(1);
    client.send({ ...ASK, previous_response_id: "resp_gone" });
    const [warm, failed] = await settled(2);
    expect(warm).toMatchObject({
      ending: "completed",
      quality: "reported",
      costUsd: 0,
      usage: { input: 0, output: 0 },
    });
    expect(failed).toMatchObject({ ending: "failed", status: 400 });
    expect(failed?.usage).toBeUndefined();
  });

  test("a turn of Live is a call", async () => {
    await start({}, { like: "generativelanguage.googleapis.com" });
    const client = await open(library, LIVE);
    client.send({ setup: { model: "models/gemini-live-2.5-flash" } });
    await client.until("setupComplete");
    client.send(TURN);
    await client.until("turnComplete");
    client.send(TURN);
    const [call] = await settled(2);
    expect(call).toMatchObject({
      ...{ format: "gemini-live", model: "gemini-live-2.5-flash", ending: "completed", quality: "reported" },
      usage: { input: 50, inputAudio: 40, output: 30, outputAudio: 30 },
    });
  });

  test("a connection that breaks in a response leaves an estimate", async () => {
    await start();
    server.cuts = true;
    for (const [path, message] of [
      [REALTIME, { type: "response.create" }],
      [RESPONSES, ASK],
      [LIVE, TURN],
    ] as const) {
      const client = await open(library, path);
      if (path === LIVE) client.send({ setup: { model: "models/gemini-live-2.5-flash" } });
      client.send(message);
      await client.until("close");
    }
    const [realtime, responses, live] = await settled(3);
    for (const call of [realtime, responses, live])
      expect(call).toMatchObject({ ending: "failed", quality: "estimated" });
    // A second of speech and its words.
    expect(realtime?.usage).toMatchObject({ outputAudio: 21 });
    expect(realtime?.usage?.output).toBeGreaterThan(25);
    expect(responses?.usage?.output).toBeGreaterThan(1);
    expect(live?.usage?.output).toBeGreaterThan(3);
  });

  test("a connection that the client closes in a response cancels the call", async () => {
    await start();
    const client = await open(library, REALTIME);
    client.send({ type: "response.create", event_id: "open" });
    await client.until("output_audio.delta");
    client.socket.close();
    const [call] = await settled(1);
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated" });
  });

  test("a handshake over a budget fails with the reason, and nothing reaches the vendor", async () => {
    await start({ budgets: [{ name: "few", per: "day", calls: 1 }] });
    const client = await open(library, REALTIME);
    client.send({ type: "response.create" });
    await settled(1);
    const refused = connect(library, `${server.url}${REALTIME}`);
    let failure: unknown;
    refused.socket.addEventListener("error", (event) => {
      failure = event;
    });
    expect(await refused.until("error")).toMatch(/few|budget/);
    expect(isBlocked((failure as ErrorEvent).error)).toMatchObject({ reason: "budget" });
    expect(server.handshakes).toHaveLength(1);
    expect((await settled(2))[1]).toMatchObject({ ending: "blocked" });
  });

  test("a request over a budget is not sent; its error comes as a message, and the socket stays open", async () => {
    await start({ budgets: [{ name: "few", per: "day", calls: 1 }] });
    const client = await open(library, RESPONSES);
    client.send(ASK);
    await settled(1);
    client.send(ASK);
    const message = JSON.parse((await client.until("spendfuse_budget")).slice("message ".length));
    expect(message).toMatchObject({ type: "error", status: 402, error: { code: "spendfuse_budget" } });
    expect(isBlocked(message)).toMatchObject({ reason: "budget" });
    expect(server.received).toHaveLength(1);
    expect(client.socket.readyState).toBe(1);
    expect((await settled(2))[1]).toMatchObject({ ending: "blocked" });
  });

  test("a response that the server begins over a budget is stopped", async () => {
    await start({ budgets: [{ name: "few", per: "day", calls: 1 }] });
    const client = await open(library, REALTIME);
    client.send({ type: "response.create" });
    await settled(1);
    client.send({ type: "input_audio_buffer.commit" });
    await client.until("spendfuse_budget");
    await expect.poll(() => server.received.map(({ type }) => type)).toContain("response.cancel");
  });

  test("switched off, it is counted as unmetered", async () => {
    await start({ transportsOff: ["websocket"] });
    const client = await open(library, REALTIME);
    client.send({ type: "response.create" });
    await client.until("response.done");
    expect(calls).toEqual([]);
    expect(warnings.join()).toContain("WebSocket");
  });
});

/** A handshake as a library of its own would make it. */
const shakeHands = (): ClientRequest =>
  request(`${server.url.replace("ws", "http")}${REALTIME}`, {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  })
    .on("error", () => {})
    .end();

test("a WebSocket of another library is counted as unmetered", async () => {
  await start();
  const others = [
    () => new undici.WebSocket(`${server.url}${REALTIME}`).addEventListener("error", () => {}),
    () => shakeHands().on("upgrade", (_, socket) => socket.once("data", () => socket.destroy())),
  ];
  for (const connectOther of others) {
    await runtime.stop();
    await start();
    warnings.length = 0;
    connectOther();
    await expect.poll(() => warnings.join()).toContain("WebSocket");
  }
});

test("a client that refuses the vendor's answer to its handshake is not counted: nothing was sent", async () => {
  await start();
  const closed = new Promise((resolve) => {
    shakeHands().on("upgrade", (_, socket) => {
      socket.on("close", resolve);
      socket.destroy();
    });
  });
  await closed;
  expect(warnings).toEqual([]);
});
