import type { Recording } from "./recording.ts";

/** One frame of a recorded stream, read by the test's own eyes and not by the code under test. */
export interface SeenFrame {
  /** Byte offset just behind the frame. */
  readonly end: number;
  /** Bytes of text in it that the caller can see. */
  readonly visible: number;
  /** Tokens of input and output, where the frame reports them. */
  readonly input: number | undefined;
  readonly output: number | undefined;
  /** The vendor says that it is done, in this frame or before. */
  readonly done: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: bodies of five vendors
type Any = Record<string, any>;

const length = (value: unknown): number => (typeof value === "string" ? Buffer.byteLength(value) : 0);
const add = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** How each format shows text, reports usage and says that it is done. */
const VIEWS: Record<string, { visible(j: Any): number; usage(j: Any): Any | undefined; done(j: Any): boolean }> = {
  "openai-chat": {
    visible: (j) =>
      add(
        (j.choices ?? []).map(
          (c: Any) =>
            length(c.delta?.content) +
            add((c.delta?.tool_calls ?? []).map((t: Any) => length(t.function?.name) + length(t.function?.arguments))),
        ),
      ),
    usage: (j) => j.usage ?? j.x_groq?.usage,
    done: (j) => (j.choices ?? []).some((c: Any) => c.finish_reason),
  },
  "openai-responses": {
    visible: (j) =>
      /^response\.(output_text|function_call_arguments|refusal)\.delta$/.test(j.type) ? length(j.delta) : 0,
    usage: (j) => j.response?.usage ?? undefined,
    done: (j) => /^response\.(completed|incomplete|failed)$/.test(j.type),
  },
  "anthropic-messages": {
    visible: (j) => length(j.delta?.text) + length(j.delta?.partial_json) + length(j.content_block?.text),
    // The output that a stream begins with is no report.
    usage: (j) =>
      j.type === "message_delta" ? j.usage : j.message?.usage && { ...j.message.usage, output_tokens: undefined },
    done: (j) => j.type === "message_delta",
  },
  "google-generate": {
    visible: (j) =>
      add(
        (j.candidates?.[0]?.content?.parts ?? []).map((p: Any) =>
          p.thought
            ? 0
            : length(p.text) + length(p.executableCode?.code) + length(JSON.stringify(p.functionCall?.args)),
        ),
      ),
    usage: (j) => j.usageMetadata,
    done: (j) => Boolean(j.candidates?.[0]?.finishReason),
  },
};

function inputOf(u: Any): number | undefined {
  if (u.prompt_tokens !== undefined) return u.prompt_tokens;
  if (u.promptTokenCount !== undefined) return u.promptTokenCount + (u.toolUsePromptTokenCount ?? 0);
  if (u.input_tokens === undefined) return undefined;
  return u.input_tokens + (u.cache_read_input_tokens ?? 0) + (u.cache_creation_input_tokens ?? 0);
}

function outputOf(u: Any): number | undefined {
  if (u.candidatesTokenCount !== undefined) return u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0);
  return u.completion_tokens ?? u.output_tokens;
}

/** The frames of a stream, in order. */
export function readFrames(recording: Recording): SeenFrame[] {
  const view = VIEWS[recording.format];
  if (!view) throw new Error(`no view of ${recording.format}`);
  const frames: SeenFrame[] = [];
  let end = 0;
  let done = false;
  for (const text of recording.response.split(/(?<=\r?\n\r?\n)/)) {
    end += Buffer.byteLength(text);
    const data = /^data: ?(.*)$/m.exec(text)?.[1]?.trim();
    if (data === undefined) continue;
    const json = data === "[DONE]" ? {} : (JSON.parse(data) as Any);
    done ||= data === "[DONE]" || view.done(json);
    const usage = view.usage(json);
    frames.push({
      end,
      visible: view.visible(json),
      input: usage && inputOf(usage),
      output: usage && outputOf(usage),
      done,
    });
  }
  return frames;
}
