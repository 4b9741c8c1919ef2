import { createServer, request as forward } from "node:http";
import { connect } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";

const USAGE = { prompt_tokens: 110, completion_tokens: 37, total_tokens: 147 };
const CHAT = { id: "chatcmpl-1", object: "chat.completion", model: "gpt-5-mini", usage: USAGE };
const WHOLE = JSON.stringify({
  ...CHAT,
  choices: [{ index: 0, message: { role: "assistant", content: "Hello wörld" } }],
});
const event = (data) => `data: ${JSON.stringify(data)}\n\n`;
const delta = (content) => event({ id: CHAT.id, model: CHAT.model, choices: [{ index: 0, delta: { content } }] });
const EVENTS = [
  ..."Hello wörld, this is 漢字".split(" ").map(delta),
  event({ id: CHAT.id, model: CHAT.model, choices: [], usage: USAGE }),
  "data: [DONE]\n\n",
];
const JSON_TYPE = { "content-type": "application/json", "x-twice": ["a", "b"] };
const EVENT_TYPE = { "content-type": "text/event-stream" };

/** What each first part of a path is answered with. */
const ANSWERS = {
  whole: (response) => response.writeHead(200, "Fine", JSON_TYPE).end(WHOLE),
  sized: (response) => response.writeHead(200, { ...JSON_TYPE, "content-length": Buffer.byteLength(WHOLE) }).end(WHOLE),
  stream: (response) => {
    response.writeHead(200, EVENT_TYPE);
    for (const one of EVENTS) response.write(one);
    response.end();
  },
  gzip: (response) => response.writeHead(200, { ...JSON_TYPE, "content-encoding": "gzip" }).end(gzipSync(WHOLE)),
  zstd: (response) =>
    response.writeHead(200, { ...JSON_TYPE, "content-encoding": "zstd" }).end(zstdCompressSync(WHOLE)),
  "gzip-stream": (response) =>
    response.writeHead(200, { ...EVENT_TYPE, "content-encoding": "gzip" }).end(gzipSync(EVENTS.join(""))),
  hanging: (response) => response.writeHead(200, EVENT_TYPE).write(EVENTS[0]),
  never: () => {},
  cut: (response) => {
    response.writeHead(200, EVENT_TYPE).write(EVENTS[0]);
    setTimeout(() => response.socket?.destroy(), 20);
  },
  refused: (response) => response.writeHead(402, JSON_TYPE).end('{"error":{"message":"no credit","code":"x"}}'),
  moved: (response, path) => response.writeHead(307, { location: path.replace("/moved", "/whole") }).end("moved"),
  info: (response) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" });
    response.writeHead(200, JSON_TYPE).end(WHOLE);
  },
  trailers: (response) => {
    response.writeHead(200, { ...JSON_TYPE, trailer: "x-checksum" });
    response.write(WHOLE);
    response.addTrailers({ "x-checksum": "abc" });
    response.end();
  },
  big: (response) => {
    response.writeHead(200, EVENT_TYPE);
    for (let at = 0; at < 300; at += 1) response.write(delta("x".repeat(4000)));
    response.end(EVENTS.slice(-2).join(""));
  },
  empty: (response) => response.writeHead(204).end(),
};

/**
 * A vendor that keeps what it was sent, and a proxy before it. `/visits` tells of the requests since it was last asked;
 * those that are still being sent are told of later.
 */
export async function startVendor() {
  let visits = [];
  let failures = 0;
  const sockets = new Set();
  const server = createServer(async (request, response) => {
    if (request.url === "/visits") {
      response.end(JSON.stringify(visits));
      visits = [];
      return;
    }
    const chunks = [];
    const visit = { method: request.method, path: request.url, headers: [...request.rawHeaders], body: "" };
    visits.push(visit);
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      visit.body = "broken off";
      return;
    }
    visit.body = Buffer.concat(chunks).toString("latin1");
    response.sendDate = false;
    const name = request.url.split("/")[1];
    if (name === "flaky") {
      failures += 1;
      if (failures % 3 !== 0) return response.writeHead(503, JSON_TYPE).end('{"error":{}}');
      return ANSWERS.whole(response);
    }
    const answer = ANSWERS[name];
    if (answer === undefined) response.writeHead(404).end();
    else answer(response, request.url);
  });
  const proxy = createServer((request, response) => {
    const on = forward(request.url, { method: request.method, headers: request.headers }, (answer) => {
      response.sendDate = false;
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(on);
  });
  proxy.on("connect", (request, socket) => {
    const [host, port] = request.url.split(":");
    const on = connect(port, host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(on).pipe(socket);
    });
    for (const one of [on, socket]) one.on("error", () => {});
  });
  for (const one of [server, proxy]) {
    one.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
    });
    await new Promise((resolve) => one.listen(0, "127.0.0.1", resolve));
  }
  const hostOf = (one) => `127.0.0.1:${one.address().port}`;
  return {
    host: hostOf(server),
    url: `http://${hostOf(server)}`,
    proxy: `http://${hostOf(proxy)}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      proxy.close();
    },
  };
}
