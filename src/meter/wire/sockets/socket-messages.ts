import type { Json } from "../../../core/json.ts";
import type { ToolShape } from "../content/tools.ts";

/** What the messages of one connection have said so far. */
export interface SocketState {
  /** The model of the session, by the address or by a message. */
  model: string | undefined;
  /** The model that transcribes the user's speech. */
  transcriber: string | undefined;
  /** Tokens of the conversation, as far as a report has covered it. */
  knownTokens: number;
  /** UTF-8 bytes of text that have joined the conversation since, and tokens of audio. */
  addedBytes: number;
  addedAudio: number;
  /** Characters of base64 in a second of the user's speech, and of the model's; undefined for the format's own. */
  heardSecond: number | undefined;
  spokenSecond: number | undefined;
  /** Something has come of the response that runs, where messages have no ids. */
  running: boolean;
  /** The user has interrupted that response. */
  interrupted: boolean;
  /** What the session sets for all its responses. */
  maxOutput: number | undefined;
  tools: ToolShape | undefined;
}

export function newSocketState(model: string | undefined): SocketState {
  return {
    model,
    transcriber: undefined,
    knownTokens: 0,
    addedBytes: 0,
    addedAudio: 0,
    heardSecond: undefined,
    spokenSecond: undefined,
    running: false,
    interrupted: false,
    maxOutput: undefined,
    tools: undefined,
  };
}

/** What a message of the server means. `id`: of the response; undefined for the one that runs. */
export type Received =
  /** A response begins, asked for or not. */
  | { readonly kind: "start"; readonly id: string | undefined }
  | { readonly kind: "part"; readonly id: string | undefined }
  /** `reports`: with usage. */
  | { readonly kind: "end"; readonly id: string | undefined; readonly canceled: boolean; readonly reports: boolean }
  /** A message of the client failed; `of` is its id, where that is known. */
  | { readonly kind: "error"; readonly of: string | undefined }
  /** Something of another model, which is over. */
  | { readonly kind: "side"; readonly model: string }
  /** The usage of the response that ended last. */
  | { readonly kind: "late" };

/** Of a message that is only counted by its length. */
export interface AudioPart {
  readonly id: string | undefined;
  /** Tokens of audio. */
  readonly tokens: number;
}

/** How a format is spoken on a WebSocket, where many responses share one connection and some begin by themselves. */
export interface SocketMessages<Facts> {
  /** The model that the address of the handshake names. */
  modelOf(address: string): string | undefined;
  /** Whether a message that is sent needs no parsing; `head` is its beginning. */
  isQuiet?(head: string, length: number, state: SocketState): boolean;
  /** Reads a message that is sent: the facts of a response that it asks for, undefined where it asks for none. */
  sent(message: Json, state: SocketState): Facts | undefined;
  /** Reads a message that is audio without parsing it. */
  audio?(head: string, length: number, state: SocketState): AudioPart | undefined;
  /** Reads a message that is received; undefined for one that has nothing to do with responses. */
  received(message: Json, state: SocketState): Received | undefined;
  /** The message that tells the client of a refusal; `body` is the refusal's parsed JSON. */
  refusal(body: Json): object;
  /** The usage of a response may follow its end. */
  readonly reportsLate?: boolean;
  /** The protocol has no message for an error: a refused request closes the connection, after `refusal`. */
  readonly refusalCloses?: boolean;
  /** The message that stops a response; absent: only closing the connection does. */
  stop?(id: string | undefined): object;
}
