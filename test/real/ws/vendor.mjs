import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const TAIL = Buffer.from([0, 0, 255, 255]);

const USAGE = {
  total_tokens: 253,
  input_tokens: 132,
  output_tokens: 121,
  input_token_details: { text_tokens: 119, audio_tokens: 13, image_tokens: 0, cached_tokens: 0 },
  output_token_details: { text_tokens: 30, audio_tokens: 91 },
};
const response = { object: "realtime.response", id: "resp_1", output: [] };
const part = { response_id: "resp_1", item_id: "i", output_index: 0, content_index: 0 };
const CREATED = JSON.stringify({ type: "response.created", response: { ...response, status: "in_progress" } });
const DELTA = JSON.stringify({ type: "response.output_audio_transcript.delta", ...part, delta: "Hello wörld 漢字" });
const DONE = JSON.stringify({ type: "response.done", response: { ...response, status: "completed", usage: USAGE } });
const ANSWER = [CREATED, DELTA, DONE];
const LIVE = [
  { serverContent: { modelTurn: { role: "model", parts: [{ text: "Hello there" }] } } },
  {
    serverContent: { turnComplete: true },
    usageMetadata: { promptTokenCount: 132, responseTokenCount: 121, totalTokenCount: 253 },
  },
].map((message) => JSON.stringify(message));

/** The bytes of a frame, right or wrong. `size`: what its head says of its length. */
export function frame(opcode, data = "", { fin = true, rsv = 0, size, masked = false } = {}) {
  const payload = Buffer.from(data);
  const length = size ?? payload.length;
  const first = (fin ? 128 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 128 : 0;
  let head = Buffer.from([first, mask | length]);
  if (length > 65_535) {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  } else if (length > 125) head = Buffer.from([first, mask | 126, length >> 8, length & 255]);
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}

const packed = (text) => deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -TAIL.length);
const closing = (code, reason = "") => {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(CLOSE, Buffer.concat([payload, Buffer.from(reason)]));
};

/** How the first part of a path has a request for a response answered: pieces to be written, one after the other. */
const ANSWERS = {
  echo: () => ANSWER.map((text) => frame(TEXT, text)),
  live: () => LIVE.map((text) => frame(BINARY, text)),
  joined: () => [Buffer.concat(ANSWER.map((text) => frame(TEXT, text)))],
  fragments: () =>
    ANSWER.flatMap((text) => [
      frame(TEXT, text.slice(0, 9), { fin: false }),
      frame(PING, "between"),
      frame(CONTINUATION, text.slice(9, 20), { fin: false }),
      frame(CONTINUATION, text.slice(20)),
    ]),
  bytes: () => [...Buffer.concat(ANSWER.map((text) => frame(TEXT, text)))].map((byte) => Buffer.from([byte])),
  pings: () => [frame(PING, "a"), frame(TEXT, CREATED), frame(PONG, "unasked"), frame(TEXT, DONE), frame(PING)],
  big: () => [
    frame(TEXT, CREATED),
    ...Array.from({ length: 40 }, () => frame(TEXT, DELTA.replace("Hello", "x".repeat(70_000)))),
    frame(TEXT, DONE),
  ],
  hanging: () => [frame(TEXT, CREATED), frame(TEXT, DELTA)],
  silent: () => [],
  leaving: () => [frame(TEXT, CREATED), frame(TEXT, DELTA), closing(1011, "going away")],
  finished: () => [...ANSWER.map((text) => frame(TEXT, text)), closing(1000, "done")],
  wordless: () => [frame(TEXT, CREATED), frame(CLOSE)],
  cut: () => [frame(TEXT, CREATED), frame(TEXT, DELTA, { size: 400 }), "end"],
  reset: () => [frame(TEXT, CREATED), "destroy"],
  // Deflated.
  deflate: () => ANSWER.map((text) => frame(TEXT, packed(text), { rsv: 4 })),
  "deflate-fragments": () =>
    ANSWER.flatMap((text) => {
      const data = packed(text);
      return [frame(TEXT, data.subarray(0, 5), { rsv: 4, fin: false }), frame(CONTINUATION, data.subarray(5))];
    }),
  "deflate-broken": () => [frame(TEXT, packed(CREATED), { rsv: 4 }), frame(TEXT, "not deflated at all", { rsv: 4 })],
  "deflate-cut": () => [
    frame(TEXT, packed(CREATED), { rsv: 4 }),
    frame(TEXT, packed(DONE).subarray(0, 30), { rsv: 4 }),
  ],
  "deflate-bomb": () => [
    frame(TEXT, packed(CREATED), { rsv: 4 }),
    frame(TEXT, packed("x".repeat(1 << 20)), { rsv: 4 }),
  ],
  "deflate-plain": () => ANSWER.map((text) => frame(TEXT, text)),
  // What the protocol forbids.
  oversized: () => [frame(TEXT, CREATED), frame(TEXT, "x".repeat(5_000))],
  "oversized-head": () => [frame(TEXT, CREATED), Buffer.from([129, 127, 255, 255, 255, 255, 255, 255, 255, 255])],
  "no-such-opcode": () => [frame(TEXT, CREATED), frame(5, "a")],
  "reserved-bit": () => [frame(TEXT, CREATED), frame(TEXT, DONE, { rsv: 2 })],
  "not-negotiated": () => [frame(TEXT, CREATED), frame(TEXT, DONE, { rsv: 4 })],
  masked: () => [frame(TEXT, CREATED), frame(TEXT, DONE, { masked: true })],
  "no-utf8": () => [frame(TEXT, CREATED), frame(TEXT, Buffer.from([0x7b, 0xc3, 0x28, 0x7d]))],
  "cut-ping": () => [frame(TEXT, CREATED), frame(PING, "a", { fin: false })],
  "long-ping": () => [frame(TEXT, CREATED), frame(PING, "x".repeat(126))],
  "lone-continuation": () => [frame(TEXT, CREATED), frame(CONTINUATION, "a")],
  "nested-message": () => [frame(TEXT, CREATED, { fin: false }), frame(TEXT, DONE)],
  "bad-code": () => [frame(TEXT, CREATED), closing(1005)],
  "bad-reason": () => [frame(TEXT, CREATED), frame(CLOSE, Buffer.from([3, 232, 0xc3, 0x28]))],
  "one-byte-close": () => [frame(TEXT, CREATED), frame(CLOSE, "a")],
  "no-json": () => ["{", '{"type":', "[[", "", "null", '{"type":"response.done"}'].map((text) => frame(TEXT, text)),
};

/** How the first part of a path has a handshake answered, where it is not accepted. */
const HANDSHAKES = {
  refused: (socket) => socket.end("HTTP/1.1 401 Unauthorized\r\nx-why: key\r\ncontent-length: 5\r\n\r\nwrong"),
  limited: (socket) => socket.end("HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"),
  "no-upgrade": (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
  "wrong-key": (socket) => socket.write(accepted("wrong")),
  "other-upgrade": (socket) =>
    socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\n"),
  "no-http": (socket) => socket.end("what is this\r\n\r\n"),
  "hung-up": (socket) => socket.destroy(),
  never: () => {},
  moved: (socket, path) =>
    socket.end(`HTTP/1.1 302 Found\r\nlocation: ${path.replace("/moved", "/echo")}\r\ncontent-length: 0\r\n\r\n`),
  "moved-away": (socket) =>
    socket.end("HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:1/v1/realtime\r\ncontent-length: 0\r\n\r\n"),
};

const accepted = (accept, more = "") =>
  `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n${more}\r\n`;

function agreed(name, headers) {
  const offered = headers["sec-websocket-protocol"];
  const lines = { x: "x-request-id: r1\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n" };
  if (name === "protocol") lines.protocol = `sec-websocket-protocol: ${offered?.split(",").at(-1).trim()}\r\n`;
  else if (name === "other-protocol") lines.protocol = "sec-websocket-protocol: other\r\n";
  else if (offered !== undefined && name !== "no-protocol")
    lines.protocol = `sec-websocket-protocol: ${offered.split(",")[0]}\r\n`;
  if (name === "bad-extension") lines.extension = "sec-websocket-extensions: x-unknown\r\n";
  const takeover = "server_no_context_takeover; client_no_context_takeover";
  if (name.startsWith("deflate") && headers["sec-websocket-extensions"] !== undefined)
    lines.extension = `sec-websocket-extensions: permessage-deflate; ${takeover}\r\n`;
  return Object.values(lines).join("");
}

/** Reads the frames of a client: calls back with each, whole and unmasked. */
function readFrames(take) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2) {
      const short = rest[1] & 127;
      let at = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (rest.length < at) return;
      const size = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      const mask = rest[1] & 128 ? rest.subarray(at, at + 4) : undefined;
      at += mask ? 4 : 0;
      if (rest.length < at + size) return;
      const payload = Buffer.from(rest.subarray(at, at + size));
      if (mask) for (let i = 0; i < size; i += 1) payload[i] ^= mask[i % 4];
      const [first] = rest;
      rest = rest.subarray(at + size);
      take({ opcode: first & 15, fin: first >= 128, rsv: (first >> 4) & 7, masked: mask !== undefined, payload });
    }
  };
}

const OWN = /^(sec-websocket-key|host)$/i;

/** A vendor of WebSockets that keeps what it was sent; `/visits` tells of that since it was last asked. */
export async function startVendor() {
  let visits = [];
  const sockets = new Set();
  const server = createServer((request, response) => {
    if (request.url !== "/visits") return response.writeHead(404).end();
    response.end(JSON.stringify(visits));
    visits = [];
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (request, socket, head) => {
    const { url: path, headers, rawHeaders } = request;
    const name = path.split("/")[1];
    const shown = [];
    for (let at = 0; at < rawHeaders.length; at += 2)
      if (!OWN.test(rawHeaders[at])) shown.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
    visits.push({ method: "GET", path, headers: shown, body: "" });
    if (HANDSHAKES[name]) return HANDSHAKES[name](socket, path);
    const accept = createHash("sha1")
      .update(headers["sec-websocket-key"] + MAGIC)
      .digest("base64");
    socket.write(accepted(accept, agreed(name, headers)));
    serve(socket, name, head, (kind, body) => visits.push({ method: kind, path, headers: [], body }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${server.address().port}`;
  return {
    host,
    url: `http://${host}`,
    proxy: `http://${host}`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function serve(socket, name, head, visit) {
  let message;
  const read = readFrames(({ opcode, fin, rsv, masked, payload }) => {
    if (opcode === TEXT || opcode === BINARY) message = { opcode, rsv, pieces: [] };
    const flags = `${opcode}${fin ? "" : " not last"}${rsv ? ` rsv ${rsv}` : ""}${masked ? "" : " not masked"}`;
    visit(flags, rsv || (message?.rsv && opcode === CONTINUATION) ? "deflated" : payload.toString("latin1"));
    if (opcode === CLOSE) return socket.end(frame(CLOSE, payload));
    if (opcode === PING && name !== "silent") return socket.write(frame(PONG, payload));
    if (opcode > BINARY || message === undefined) return;
    message.pieces.push(payload);
    if (!fin) return;
    const bytes = Buffer.concat(message.pieces);
    const data = message.rsv
      ? inflateRawSync(Buffer.concat([bytes, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH })
      : bytes;
    const isAsked = data.includes('"response.create"') || data.includes("clientContent");
    if (isAsked) answer(socket, ANSWERS[name] ?? ANSWERS.echo);
    else socket.write(frame(message.opcode, data));
  });
  socket.on("data", read);
  if (head.length > 0) read(head);
}

/** Byte by byte, or at once, in the order of the answer. */
function answer(socket, pieces) {
  for (const piece of pieces()) {
    if (piece === "end") socket.end();
    else if (piece === "destroy") socket.resetAndDestroy();
    else socket.write(piece);
  }
}
