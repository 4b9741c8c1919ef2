/** What the model makes of one request. */
export interface Turn {
  readonly stream: boolean;
  readonly model: string;
  readonly instructions: string;
  readonly tools: readonly { readonly name: string; readonly required: readonly string[] }[];
  /** Everything that was said and called so far. */
  readonly said: string;
}

export interface Reply {
  readonly id: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
  readonly text: string;
}

/** How one family of model APIs says what the model says. */
interface Dialect {
  readonly matches: RegExp;
  read(body: Body, path: string): Turn;
  whole(reply: Reply, turn: Turn): object;
  stream(reply: Reply, turn: Turn): readonly string[];
}

// biome-ignore lint/suspicious/noExplicitAny: a body of any of the formats
type Body = any;

const INPUT = 40;
const OUTPUT = 10;

const chat: Dialect = {
  matches: /\/chat\/completions$/,
  read: (body) => {
    const isSystem = ({ role }: Body) => role === "system" || role === "developer";
    return {
      stream: body.stream === true,
      model: body.model,
      instructions: JSON.stringify(body.messages.filter(isSystem)).replaceAll('\\"', '"'),
      tools: (body.tools ?? []).map(({ function: { name, parameters } }: Body) => tool(name, parameters)),
      said: JSON.stringify(body.messages.filter((message: Body) => !isSystem(message))),
    };
  },
  whole: (reply, { model }) => ({
    id: reply.id,
    object: "chat.completion",
    created: 1,
    model,
    choices: [{ index: 0, message: message(reply), finish_reason: reply.calls.length > 0 ? "tool_calls" : "stop" }],
    usage: chatUsage,
  }),
  stream: (reply, { model }) => {
    const frame = (choices: object[], more: object = {}) =>
      data({ id: reply.id, object: "chat.completion.chunk", created: 1, model, choices, ...more });
    const { tool_calls, ...rest } = message(reply);
    const numbered = tool_calls?.map((call, index) => ({ index, ...call }));
    return [
      frame([{ index: 0, delta: { ...rest, ...(numbered && { tool_calls: numbered }) }, finish_reason: null }]),
      frame([{ index: 0, delta: {}, finish_reason: numbered ? "tool_calls" : "stop" }]),
      frame([], { usage: chatUsage }),
      "data: [DONE]",
    ];
  },
};

const chatUsage = { prompt_tokens: INPUT, completion_tokens: OUTPUT, total_tokens: INPUT + OUTPUT };

function message({ id, calls, text }: Reply) {
  if (calls.length === 0) return { role: "assistant", content: text };
  const tool_calls = calls.map((call, index) => ({ id: `${id}-call-${index}`, type: "function", function: call }));
  return { role: "assistant", content: null, tool_calls };
}

const responses: Dialect = {
  matches: /\/responses$/,
  read: (body) => ({
    stream: body.stream === true,
    model: body.model,
    instructions: `${body.instructions ?? ""}${JSON.stringify(systemItems(body.input)).replaceAll('\\"', '"')}`,
    tools: (body.tools ?? []).map(({ name, parameters }: Body) => tool(name, parameters)),
    said: JSON.stringify(body.input),
  }),
  whole: response,
  stream: (reply, turn) => {
    const done = response(reply, turn);
    const begun = { ...done, status: "in_progress", output: [], usage: null };
    const frames: object[] = [{ type: "response.created", response: begun }];
    for (const [output_index, item] of done.output.entries()) {
      frames.push({ type: "response.output_item.added", output_index, item: { ...item, content: [], arguments: "" } });
      if (item.type === "message") {
        const at = { item_id: item.id, output_index, content_index: 0 };
        frames.push({ type: "response.content_part.added", ...at, part: { ...item.content?.[0], text: "" } });
        frames.push({ type: "response.output_text.delta", ...at, delta: reply.text, logprobs: [] });
        frames.push({ type: "response.output_text.done", ...at, text: reply.text, logprobs: [] });
      } else {
        const at = { item_id: item.id, output_index };
        frames.push({ type: "response.function_call_arguments.delta", ...at, delta: item.arguments });
        frames.push({ type: "response.function_call_arguments.done", ...at, arguments: item.arguments });
      }
      frames.push({ type: "response.output_item.done", output_index, item });
    }
    frames.push({ type: "response.completed", response: done });
    return frames.map(
      (frame, sequence_number) => `event: ${(frame as { type: string }).type}\n${data({ ...frame, sequence_number })}`,
    );
  },
};

const systemItems = (input: Body): object[] =>
  Array.isArray(input) ? input.filter(({ role }) => role === "system" || role === "developer") : [];

function response({ id, calls, text }: Reply, { model }: Turn): Body {
  const part = { type: "output_text", text, annotations: [], logprobs: [] };
  return {
    id,
    object: "response",
    created_at: 1,
    status: "completed",
    model,
    error: null,
    incomplete_details: null,
    output:
      calls.length === 0
        ? [{ type: "message", id: `${id}-m`, role: "assistant", status: "completed", content: [part] }]
        : calls.map((call, index) => ({
            type: "function_call",
            id: `${id}-f${index}`,
            call_id: `${id}-call-${index}`,
            status: "completed",
            content: undefined,
            ...call,
          })),
    usage: {
      input_tokens: INPUT,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: OUTPUT,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: INPUT + OUTPUT,
    },
  };
}

const gemini: Dialect = {
  matches: /enerateContent/,
  read: (body, path) => ({
    stream: path.includes(":streamGenerateContent"),
    model: /models\/([^:]+)/.exec(path)?.[1] ?? "",
    instructions: JSON.stringify(body.systemInstruction ?? "").replaceAll('\\"', '"'),
    tools: (body.tools ?? []).flatMap(({ functionDeclarations = [] }: Body) =>
      functionDeclarations.map(({ name, parameters, parametersJsonSchema }: Body) =>
        tool(name, parameters ?? parametersJsonSchema),
      ),
    ),
    said: JSON.stringify(body.contents),
  }),
  whole: candidate,
  stream: (reply, turn) => [data(candidate(reply, turn))],
};

function candidate({ id, calls, text }: Reply, { model }: Turn) {
  const functionCalls = calls.map(({ name, arguments: args }) => ({ functionCall: { name, args: JSON.parse(args) } }));
  const parts = calls.length > 0 ? functionCalls : [{ text }];
  return {
    responseId: id,
    modelVersion: model,
    candidates: [{ index: 0, content: { role: "model", parts }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: INPUT, candidatesTokenCount: OUTPUT, totalTokenCount: INPUT + OUTPUT },
  };
}

const messages: Dialect = {
  matches: /\/messages$/,
  read: (body) => ({
    stream: body.stream === true,
    model: body.model,
    instructions: JSON.stringify(body.system ?? "").replaceAll('\\"', '"'),
    tools: (body.tools ?? []).map(({ name, input_schema }: Body) => tool(name, input_schema)),
    said: JSON.stringify(body.messages),
  }),
  whole: (reply, turn) => anthropicMessage(reply, turn),
  stream: (reply, turn) => {
    const { content, stop_reason, ...begun } = anthropicMessage(reply, turn);
    const frames: { readonly type: string; readonly [field: string]: unknown }[] = [];
    const usage = { ...begun.usage, output_tokens: 1 };
    frames.push({ type: "message_start", message: { ...begun, content: [], stop_reason: null, usage } });
    for (const [index, block] of content.entries()) {
      const isText = block.type === "text";
      const empty = isText ? { ...block, text: "" } : { ...block, input: {} };
      const delta = isText
        ? { type: "text_delta", text: block.text }
        : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
      frames.push({ type: "content_block_start", index, content_block: empty });
      frames.push({ type: "content_block_delta", index, delta });
      frames.push({ type: "content_block_stop", index });
    }
    frames.push({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: begun.usage });
    frames.push({ type: "message_stop" });
    return frames.map((frame) => `event: ${frame.type}\n${data(frame)}`);
  },
};

function anthropicMessage({ id, calls, text }: Reply, { model }: Turn): Body {
  return {
    id,
    type: "message",
    role: "assistant",
    model,
    content:
      calls.length === 0
        ? [{ type: "text", text }]
        : calls.map((call, index) => ({
            type: "tool_use",
            id: `${id}-call-${index}`,
            name: call.name,
            input: JSON.parse(call.arguments),
          })),
    stop_reason: calls.length === 0 ? "end_turn" : "tool_use",
    stop_sequence: null,
    usage: { input_tokens: INPUT, output_tokens: OUTPUT },
  };
}

const data = (frame: object): string => `data: ${JSON.stringify(frame)}`;

const tool = (name: string, schema: Body) => ({ name, required: schema?.required ?? [] });

export const DIALECTS: readonly Dialect[] = [chat, responses, gemini, messages];
