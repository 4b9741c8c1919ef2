import type { StreamEvent } from "../../limits/refusal.ts";
import type { DeltaShapes } from "./delta-template.ts";
import type { FramingName } from "./endpoints.ts";
import type { Reading, WireFormat } from "./formats/format.ts";
import { FrameReader } from "./frames.ts";

/** How the events of a stream stand in its bytes. */
export interface Framing {
  /** Reads one stream; see {@link FrameReader}. */
  open(
    format: WireFormat,
    reading: Reading,
    hideUsage: boolean,
    onFault: (error: unknown) => void,
    shapes: DeltaShapes,
  ): FrameReader;
  /** Our own event, encoded for a stream. */
  write(event: StreamEvent): string;
}

const open: Framing["open"] = (format, reading, hideUsage, onFault, shapes) =>
  new FrameReader(format, reading, hideUsage, onFault, shapes);

export const FRAMINGS: Readonly<Record<FramingName, Framing>> = {
  sse: {
    open,
    write: ({ name, data }) => `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`,
  },
  /** Messages of a WebSocket, which their transport reads one by one. */
  message: { open, write: ({ data }) => JSON.stringify(data) },
};
