import * as wire from "../../servers/formats.ts";

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

const TOKENS = { input: 40, output: 10 };

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
  whole: (reply, { model }) =>
    wire.chatCompletion({ id: reply.id, model }, message(reply), wire.chatUsage(TOKENS), finishOf(reply)),
  stream: (reply, { model }) => {
    const origin = { id: reply.id, model };
    const { tool_calls, ...rest } = message(reply);
    const calls = tool_calls?.map((call, index) => ({ index, ...call }));
    return [
      wire.chatDelta(origin, { ...rest, ...(calls && { tool_calls: calls }) }),
      wire.chatDelta(origin, {}, {}, finishOf(reply)),
      wire.chatChunk(origin, [], { usage: wire.chatUsage(TOKENS) }),
      wire.DONE,
    ];
  },
};

const finishOf = ({ calls }: Reply): string => (calls.length > 0 ? "tool_calls" : "stop");

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
    const frames: Frame[] = [{ type: "response.created", response: begun }];
    for (const [output_index, item] of done.output.entries()) {
      frames.push({ type: "response.output_item.added", output_index, item: { ...item, content: [], arguments: "" } });
      if (item.type === "message") {
        frames.push(...wire.outputTextEvents(item.id, output_index, [reply.text]));
      } else {
        const at = { item_id: item.id, output_index };
        frames.push({ type: "response.function_call_arguments.delta", ...at, delta: item.arguments });
        frames.push({ type: "response.function_call_arguments.done", ...at, arguments: item.arguments });
      }
      frames.push({ type: "response.output_item.done", output_index, item });
    }
    frames.push({ type: "response.completed", response: done });
    return wire.numbered(frames);
  },
};

interface Frame {
  readonly type: string;
  readonly [field: string]: unknown;
}

const systemItems = (input: Body): object[] =>
  Array.isArray(input) ? input.filter(({ role }) => role === "system" || role === "developer") : [];

function response({ id, calls, text }: Reply, { model }: Turn): Body {
  const called = calls.map((call, index) => ({
    type: "function_call",
    id: `${id}-f${index}`,
    call_id: `${id}-call-${index}`,
    status: "completed",
    content: undefined,
    ...call,
  }));
  const output = calls.length === 0 ? [wire.outputMessage(`${id}-m`, text)] : called;
  return wire.responseObject({ id, model }, "completed", output, wire.responsesUsage(TOKENS));
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
  stream: (reply, turn) => [wire.data(candidate(reply, turn))],
};

function candidate({ id, calls, text }: Reply, { model }: Turn) {
  const functionCalls = calls.map(({ name, arguments: args }) => ({ functionCall: { name, args: JSON.parse(args) } }));
  const parts = calls.length > 0 ? functionCalls : [{ text }];
  return wire.geminiAnswer({ id, model }, parts, wire.geminiUsage(TOKENS), "STOP");
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
  whole: (reply, { model }) =>
    wire.anthropicMessage({ id: reply.id, model }, blocksOf(reply), stopOf(reply), ANTHROPIC_USAGE),
  stream: (reply, { model }) => [
    wire.messageStart(
      wire.anthropicMessage({ id: reply.id, model }, [], null, { ...ANTHROPIC_USAGE, output_tokens: 1 }),
    ),
    ...blocksOf(reply).flatMap((block, index) =>
      block.type === "text"
        ? wire.contentBlock(index, { ...block, text: "" }, [{ type: "text_delta", text: block.text }])
        : wire.contentBlock(index, { ...block, input: {} }, [
            { type: "input_json_delta", partial_json: JSON.stringify(block.input) },
          ]),
    ),
    wire.messageDelta(ANTHROPIC_USAGE, stopOf(reply)),
    wire.MESSAGE_STOP,
  ],
};

const ANTHROPIC_USAGE = { input_tokens: TOKENS.input, output_tokens: TOKENS.output };

const stopOf = ({ calls }: Reply): string => (calls.length === 0 ? "end_turn" : "tool_use");

function blocksOf({ id, calls, text }: Reply) {
  if (calls.length === 0) return [{ type: "text", text } as const];
  return calls.map(({ name, arguments: args }, index) => {
    return { type: "tool_use", id: `${id}-call-${index}`, name, input: JSON.parse(args) as object } as const;
  });
}

const tool = (name: string, schema: Body) => ({ name, required: schema?.required ?? [] });

export const DIALECTS: readonly Dialect[] = [chat, responses, gemini, messages];
