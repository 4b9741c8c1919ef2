import { createServer, type IncomingMessage, type RequestListener, request } from "node:http";
import { createServer as createSecureServer, request as secureRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LOCALHOST } from "../../../fixtures/localhost.ts";
import { eventStream, KINDS, METERED } from "../fetch/body/answers.ts";
import { type Switched, startSwitched } from "./metering.ts";

const PATH = "/v1/chat/completions";
const STREAM = KINDS["stream, usage asked"]?.request as string;

/** Answers with trailers, which come after the body. */
const answer: RequestListener = (asked, answered) => {
  asked.resume().on("end", () => {
    answered.writeHead(200, { "content-type": "text/event-stream", trailer: "x-checksum" });
    answered.write(eventStream(true));
    answered.addTrailers({ "x-checksum": "9c1" });
    answered.end();
  });
};

const servers = { http: createServer(answer), https: createSecureServer(LOCALHOST, answer) };
let switched: Switched;
beforeAll(async () => {
  switched = await startSwitched();
  for (const server of Object.values(servers)) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
});
afterAll(async () => {
  await switched.stop();
  for (const server of Object.values(servers)) await new Promise((resolve) => server.close(resolve));
});

test.each(["http", "https"] as const)("trailers over node:%s come as without us, both ways", async (scheme) => {
  const { port } = servers[scheme].address() as AddressInfo;
  const sentTrailers: unknown[] = [];
  servers[scheme].prependListener("request", (asked: IncomingMessage) => {
    asked.on("end", () => sentTrailers.push(asked.trailers));
  });
  const go = async () => {
    const open = scheme === "http" ? request : secureRequest;
    const sent = open(`${scheme}://127.0.0.1:${port}${PATH}`, {
      method: "POST",
      headers: { "content-type": "application/json", trailer: "x-sum" },
      rejectUnauthorized: false,
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      sent.on("response", resolve).on("error", reject),
    );
    sent.write(STREAM);
    sent.addTrailers({ "x-sum": "1f" });
    sent.end();
    const got = await answered;
    let text = "";
    for await (const chunk of got.setEncoding("utf8")) text += chunk;
    return [text, got.trailers, got.rawTrailers, got.complete];
  };
  const bare = await switched.bare(go);
  const ours = await switched.metered(go, { hosts: [{ host: `127.0.0.1:${port}`, like: "api.openai.com" }] });

  expect(ours).toEqual(bare);
  expect(ours[1]).toEqual({ "x-checksum": "9c1" });
  expect(sentTrailers).toEqual([{ "x-sum": "1f" }, { "x-sum": "1f" }]);
  expect(switched.calls).toMatchObject([{ ending: "completed", quality: "reported", usage: METERED }]);
});
