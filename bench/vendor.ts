import { crc32 } from "node:zlib";

/** A vendor inside the process: it answers what the real one does, and costs no network. */

const CHUNKS = 200;

const WORDS = [
  "The",
  " capital",
  " of",
  " Mexico",
  " is",
  ",",
  " and",
  ' a \\"quoted\\"',
  "\\n\\n",
  " población",
  " 12",
  " —",
];
const PADDING = "aB3dE6gH9jK";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function openaiFrames(usage: boolean, chunks: number): Uint8Array[] {
  const head =
    '{"id":"chatcmpl-Dx0Xq5Xx9rHB2ehcHZCRDsnuymUXc","object":"chat.completion.chunk","created":1782955818,' +
    '"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_d0469e1700","choices":[';
  const frame = (choices: string, report: string, at: number): Uint8Array => {
    const obfuscation = PADDING.slice(0, 1 + (at % PADDING.length));
    return encode(`data: ${head}${choices}]${usage ? `,"usage":${report}` : ""},"obfuscation":"${obfuscation}"}\n\n`);
  };
  const choice = (delta: string, finish: string): string =>
    `{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}`;
  const frames = [frame(choice('{"role":"assistant","content":"","refusal":null}', "null"), "null", 0)];
  while (frames.length < chunks - 3) {
    const word = WORDS[frames.length % WORDS.length] as string;
    frames.push(frame(choice(`{"content":"${word}"}`, "null"), "null", frames.length));
  }
  frames.push(frame(choice("{}", '"stop"'), "null", 5));
  const report =
    '{"prompt_tokens":78,"completion_tokens":190,"total_tokens":268,"prompt_tokens_details":{"cached_tokens":0,' +
    '"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,' +
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}';
  if (usage) frames.push(frame("", report, 7));
  frames.push(encode("data: [DONE]\n\n"));
  return frames;
}

function anthropicFrames(chunks: number): Uint8Array[] {
  // Padding stands between the last two braces, of a length that says nothing of the text's.
  const frame = (event: string, json: string, at: number): Uint8Array =>
    encode(`event: ${event}\ndata: ${json.slice(0, -1)}${" ".repeat(1 + ((at * 7) % 14))}}\n\n`);
  const frames = [
    frame(
      "message_start",
      '{"type":"message_start","message":{"model":"claude-sonnet-4-6","id":"msg_01E3Wn1NynZw9FALZ68znj9S","type":"message",' +
        '"role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":702,' +
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,' +
        '"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard","inference_geo":"global"}}}',
      0,
    ),
    frame(
      "content_block_start",
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      1,
    ),
    encode('event: ping\ndata: {"type": "ping"}\n\n'),
  ];
  while (frames.length < chunks - 3) {
    const text = `${WORDS[frames.length % WORDS.length]}${WORDS[(frames.length * 5) % WORDS.length]}`;
    const delta = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${text}"}}`;
    frames.push(frame("content_block_delta", delta, frames.length));
  }
  frames.push(
    frame("content_block_stop", '{"type":"content_block_stop","index":0}', 3),
    frame(
      "message_delta",
      '{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":702,' +
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":311}}',
      4,
    ),
    frame("message_stop", '{"type":"message_stop"}', 5),
  );
  return frames;
}

/** Bedrock's binary frames, of ConverseStream. */
function bedrockFrames(chunks: number): Uint8Array[] {
  const frame = (event: string, json: string, at: number): Uint8Array => {
    const padding = PADDING.slice(0, 1 + (at % PADDING.length));
    const head = Buffer.concat([
      headerOf(":event-type", event),
      headerOf(":content-type", "application/json"),
      headerOf(":message-type", "event"),
    ]);
    return eventFrame(head, Buffer.from(`${json.slice(0, -1)},"p":"${padding}"}`));
  };
  const frames = [frame("messageStart", '{"role":"assistant"}', 0)];
  while (frames.length < chunks - 3) {
    const text = `${WORDS[frames.length % WORDS.length]}${WORDS[(frames.length * 5) % WORDS.length]}`;
    const delta = `{"contentBlockIndex":0,"delta":{"text":"${text}"}}`;
    frames.push(frame("contentBlockDelta", delta, frames.length));
  }
  const usage = '{"inputTokens":702,"outputTokens":311,"totalTokens":1013}';
  frames.push(
    frame("contentBlockStop", '{"contentBlockIndex":0}', 3),
    frame("messageStop", '{"stopReason":"end_turn"}', 4),
    frame("metadata", `{"metrics":{"latencyMs":300},"usage":${usage}}`, 5),
  );
  return frames;
}

function headerOf(name: string, value: string): Buffer {
  return Buffer.from(`${String.fromCharCode(name.length)}${name}\x07\x00${String.fromCharCode(value.length)}${value}`);
}

function eventFrame(head: Buffer, payload: Buffer): Uint8Array {
  const bytes = Buffer.alloc(16 + head.length + payload.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.writeUInt32BE(head.length, 4);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8);
  bytes.set(head, 12);
  bytes.set(payload, 12 + head.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  // A slice of a Buffer would share its memory.
  return new Uint8Array(bytes);
}

const WHOLE = JSON.stringify({
  id: "chatcmpl-C2P2TVJ3Qoyk6ajLKjYZF8QDAwt50",
  object: "chat.completion",
  created: 1754688941,
  model: "gpt-4o-mini-2024-07-18",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "The capital of Mexico is Mexico City.", refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: "stop",
    },
  ],
  usage: {
    prompt_tokens: 78,
    completion_tokens: 8,
    total_tokens: 86,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  },
  service_tier: "default",
  system_fingerprint: "fp_ff25b2783a",
});

/** A body as fetch makes it: a byte stream that hands out one chunk each time it is asked, in memory of its own. */
function bodyOf(frames: readonly Uint8Array[]): ReadableStream {
  let at = 0;
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const frame = frames[at++];
      if (frame) controller.enqueue(frame.slice());
      else {
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
  });
}

/** A fetch that is answered by OpenAI, Anthropic or Bedrock, streamed or whole as the request asks. */
export function createVendor(chunks: number = CHUNKS): typeof fetch {
  const bare = openaiFrames(false, chunks);
  const asked = openaiFrames(true, chunks);
  const anthropic = anthropicFrames(chunks);
  const bedrock = bedrockFrames(chunks);
  return async (input, init) => {
    if (String(input).endsWith("/converse-stream")) {
      return new Response(bodyOf(bedrock), { headers: { "content-type": "application/vnd.amazon.eventstream" } });
    }
    const body = String(init?.body);
    if (!body.includes('"stream":true')) {
      return new Response(WHOLE, { status: 200, headers: { "content-type": "application/json" } });
    }
    const messages = String(input).endsWith("/messages");
    const frames = messages ? anthropic : body.includes('"include_usage":true') ? asked : bare;
    return new Response(bodyOf(frames), {
      status: 200,
      headers: { "content-type": "text/event-stream; charset=utf-8" },
    });
  };
}
