import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect, LIBRARIES } from "./clients.ts";
import { LIVE, openStage, REALTIME, RESPONSES, type Stage, TURN } from "./stage.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const OPEN_TURN = { clientContent: { ...TURN.clientContent, staysOpen: true } };

describe.for(Object.entries(LIBRARIES))("%s", ([, library]) => {
  test("usage that Live sends after the end of a turn is the turn's", async () => {
    stage.server.liveUsage = "after";
    const client = await stage.open(library, LIVE);
    client.send(TURN);
    client.send(TURN);
    for (const call of await stage.settled(2)) {
      expect(call).toMatchObject({ ending: "completed", quality: "reported", usage: { input: 50, output: 30 } });
    }
  });

  test("a turn of Live whose usage never comes is estimated, after a wait or by the next one", async () => {
    stage.server.liveUsage = "never";
    const client = await stage.open(library, LIVE);
    client.send(TURN);
    client.send(TURN);
    const calls = await stage.settled(2);
    for (const call of calls) expect(call).toMatchObject({ ending: "completed", quality: "estimated" });
    expect(calls[1]?.usage?.input).toBeGreaterThan(0);
  });

  test("speech that interrupts a turn of Live cancels it, with what the vendor reports", async () => {
    const client = await stage.open(library, LIVE);
    client.send(OPEN_TURN);
    await client.until("modelTurn");
    client.send({ realtimeInput: { audio: { mimeType: "audio/pcm;rate=16000", data: "AAAA" } } });
    const [call] = await stage.settled(1);
    expect(call).toMatchObject({ ending: "canceled", quality: "reported", usage: { input: 50, output: 30 } });
  });

  test("a response of Realtime that the client cancels has the vendor's figures", async () => {
    const client = await stage.open(library, REALTIME);
    client.send({ type: "response.create", event_id: "open" });
    const created = JSON.parse((await client.until("response.created")).slice("message ".length));
    await client.until("output_audio.delta");
    client.send({ type: "response.cancel", response_id: created.response.id });
    const [call] = await stage.settled(1);
    expect(call).toMatchObject({ ending: "canceled", quality: "reported", usage: { input: 132, output: 121 } });
  });

  test("responses that are open when the process ends are canceled, with an estimate of what they cost", async () => {
    const realtime = await stage.open(library, REALTIME);
    realtime.send({
      type: "conversation.item.create",
      item: { type: "message", role: "user", content: [{ type: "input_text", text: "Tell me of the sea, please." }] },
    });
    realtime.send({ type: "response.create", event_id: "open" });
    await realtime.until("output_audio.delta");
    const live = await stage.open(library, LIVE);
    live.send(OPEN_TURN);
    await live.until("modelTurn");
    await stage.runtime.stop();
    const calls = await stage.settled(2);
    for (const call of calls) {
      expect(call).toMatchObject({ ending: "canceled", quality: "estimated" });
      expect(call.usage?.input).toBeGreaterThan(0);
    }
    expect(calls[0]?.usage).toMatchObject({ outputAudio: 21 });
  });

  test("sockets with one address are told apart, in whatever order they are answered", async () => {
    const address = `${stage.server.url}${REALTIME}`;
    const slow = connect(library, address, { "x-spendfuse-agent": "slow", "x-wait-ms": "60" });
    const fast = connect(library, address, { "x-spendfuse-agent": "fast" });
    await Promise.all([slow.until("open"), fast.until("open")]);
    slow.send({ type: "response.create" });
    const [first] = await stage.settled(1);
    fast.send({ type: "response.create" });
    const [, second] = await stage.settled(2);
    expect([first?.scope.agent, second?.scope.agent]).toEqual(["slow", "fast"]);
  });

  test("messages that are given as Blobs are read, in their order", async () => {
    const client = await stage.open(library, LIVE);
    client.socket.binaryType = "blob";
    client.send(TURN);
    const [call] = await stage.settled(1);
    client.socket.close();
    expect(call).toMatchObject({ ending: "completed", quality: "reported", usage: { input: 50, output: 30 } });
  });

  test("a frame that the protocol forbids fails the response, although the client closes then", async () => {
    const client = await stage.open(library, REALTIME);
    client.send({ type: "response.create", event_id: "open" });
    await client.until("output_audio.delta");
    const [socket] = stage.server.sockets;
    // A text frame with a reserved bit.
    (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(Buffer.from([0xa1, 0]));
    const [call] = await stage.settled(1);
    expect(call).toMatchObject({ ending: "failed", quality: "estimated" });
  });

  test("the server's close in the middle of a response fails it", async () => {
    for (const [path, message, first] of [
      [REALTIME, { type: "response.create", event_id: "open" }, "output_audio.delta"],
      [RESPONSES, { type: "response.create", model: "gpt-5.1", input: "Hi", stream_id: "open" }, "text.delta"],
      [LIVE, OPEN_TURN, "modelTurn"],
    ] as const) {
      const client = await stage.open(library, path);
      client.send(message);
      await client.until(first);
      for (const socket of stage.server.sockets) socket.close(1011, "going away");
      await client.until("close 1011 going away");
    }
    for (const call of await stage.settled(3)) expect(call).toMatchObject({ ending: "failed", quality: "estimated" });
  });
});

describe("addresses", () => {
  const VENDORS = [
    [
      "Azure OpenAI, preview",
      "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime",
      "openai-realtime",
    ],
    ["Azure OpenAI, v1", "/openai/v1/realtime?model=gpt-realtime", "openai-realtime"],
    ["a call by WebRTC or SIP, from the side", "/v1/realtime?call_id=rtc_1", "openai-realtime"],
    ["Azure OpenAI's Responses", "/openai/v1/responses", "openai-responses"],
    ["Vertex AI's Live", "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent", "gemini-live"],
    ["Vertex AI's Live, beta", "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent", "gemini-live"],
    ["Gemini's Live with a short-lived token", `${LIVE}Constrained?access_token=x`, "gemini-live"],
  ] as const;

  test.each(VENDORS)("%s", async (_vendor, path, format) => {
    const client = await stage.open(LIBRARIES.ws as never, path);
    const setup = {
      setup: { model: "projects/p/locations/us-central1/publishers/google/models/gemini-live-2.5-flash" },
    };
    if (format === "gemini-live") client.send(setup);
    client.send(format === "gemini-live" ? TURN : { type: "response.create", model: "gpt-5.1", input: "Hi" });
    const [call] = await stage.settled(1);
    const model = { "gemini-live": "gemini-live-2.5-flash", "openai-responses": "gpt-5.1" }[format as string];
    expect(call).toMatchObject({ format, ending: "completed", quality: "reported", model: model ?? "gpt-realtime" });
  });
});
