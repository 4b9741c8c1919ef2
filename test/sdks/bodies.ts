import { type Recording, recorded, type Tokens } from "../recordings/recording.ts";
import type { Visit } from "../servers/model-server.ts";
import type { Dialect } from "./dialects.ts";

/** What a vendor answers to a call that streams. */
export interface StreamBody {
  readonly dialect: Dialect;
  readonly model: string;
  /** Frames with their blank line, as they go to this caller. */
  readonly frames: (visit: Visit) => readonly string[];
  /** How many of the frames have passed when the caller sees `marker`. */
  readonly cut: number;
  /** Text in the last frame before the cut, by which the caller notices that it has it all. */
  readonly marker: string;
  /** Visible output until the cut. */
  readonly shown: string;
  /** What the vendor had reported at the cut, where it reports on the way. */
  readonly soFar?: Partial<Tokens>;
  /** Text of the frame that the vendor's last report comes with. */
  readonly lastMarker: string;
  readonly usage: Tokens;
  /** Tool calls among what is shown. */
  readonly toolCalls?: number;
  /** All of the visible output, where the vendor reports no usage of it. */
  readonly silent?: string;
}

/** What a vendor answers to a call that does not. */
export interface WholeBody {
  readonly dialect: Dialect;
  readonly model: string;
  readonly body: string;
  readonly usage: Tokens;
}

/** One body in the same place: made up, and as it was recorded where that is there. */
export interface Bodies<B> {
  readonly madeUp: () => B;
  readonly recorded?: (() => B) | undefined;
}

/** What makes a body of a recording, or undefined where it is not there. */
export function ofRecording<B>(id: string, make: (recording: Recording) => B): (() => B) | undefined {
  const found = recorded.find((recording) => recording.id === id);
  return found && (() => make(found));
}

/** Where a stream is cut for the endings that cut it. */
export interface Cut {
  readonly toolCalls?: number;
  readonly marker: string;
  readonly shown: string;
  readonly lastMarker: string;
  readonly soFar?: Partial<Tokens>;
}

export function streamOf(dialect: Dialect, recording: Recording, cut: Cut, adapt = all): StreamBody {
  const frames = recording.response
    .split(/(?<=\n\n|\r\n\r\n)/)
    .map((frame) => frame.replaceAll("\r\n", "\n"))
    .filter((frame) => frame.trim() !== "");
  return handStream(dialect, modelOf(recording), frames, recording.usage as Tokens, cut, adapt);
}

export function handStream(
  dialect: Dialect,
  model: string,
  frames: readonly string[],
  usage: Tokens,
  cut: Cut,
  adapt = all,
): StreamBody {
  const at = frames.findIndex((frame) => frame.includes(cut.marker)) + 1;
  if (at === 0) throw new Error(`no frame with ${cut.marker}`);
  return { dialect, model, frames: (visit) => adapt(frames, visit), cut: at, usage, ...cut };
}

const all = (frames: readonly string[], _visit: Visit): readonly string[] => frames;

export function wholeOf(dialect: Dialect, recording: Recording): WholeBody {
  return { dialect, model: modelOf(recording), body: recording.response, usage: recording.usage as Tokens };
}

function modelOf({ uri, request }: Recording): string {
  return (JSON.parse(request) as { model?: string }).model ?? /models\/([^:]+):/.exec(uri)?.[1] ?? "";
}
