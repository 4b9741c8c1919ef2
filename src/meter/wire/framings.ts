import type { StreamEvent } from "../../limits/refusal.ts";
import type { DeltaShapes } from "./delta-template.ts";
import type { FramingName } from "./endpoints.ts";
import type { Reading, WireFormat } from "./formats/format.ts";
import { FrameReader } from "./frames.ts";
import { writeException } from "./streams/eventstream-frame.ts";
import { EventStreamReader } from "./streams/eventstream-reader.ts";
import type { StreamReader } from "./streams/stream-reader.ts";

/** How the events of a stream are written in its bytes. */
export interface Framing {
  /** The media type of such streams. */
  readonly type: string;
  /** Reads one stream; see {@link FrameReader} for `hideUsage` and `shapes`. */
  open(
    format: WireFormat,
    reading: Reading,
    hideUsage: boolean,
    onFault: (error: unknown) => void,
    shapes: DeltaShapes,
  ): StreamReader;
  /** Our own event, encoded for a stream. */
  write(event: StreamEvent): Uint8Array;
}

const open: Framing["open"] = (format, reading, hideUsage, onFault, shapes) =>
  new FrameReader(format, reading, hideUsage, onFault, shapes);

export const FRAMINGS: Readonly<Record<FramingName, Framing>> = {
  sse: {
    type: "text/event-stream",
    open,
    write: ({ name, data }) =>
      new TextEncoder().encode(`${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`),
  },
  eventstream: {
    type: "application/vnd.amazon.eventstream",
    open: (format, reading, _hideUsage, onFault) => new EventStreamReader(format, reading, onFault),
    write: ({ name = "validationException", data }) => writeException(name, data),
  },
  /** Messages of a WebSocket, which their transport reads one by one: no answer has this type. */
  message: { type: "websocket", open, write: ({ data }) => new TextEncoder().encode(JSON.stringify(data)) },
};
