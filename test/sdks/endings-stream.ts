import type { Script, Step } from "../servers/model-server.ts";
import type { StreamBody } from "./bodies.ts";
import { type Ending, pieces, refused, type Stage, TIMEOUT } from "./endings.ts";

const EVENTS = { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_1" };

type OnStream = Stage<StreamBody>;

const events = (...steps: readonly Step[]): Script => ({ headers: EVENTS, steps });
const frames = ({ body, visit }: OnStream) => body.frames(visit);
const passed = (stage: OnStream) => frames(stage).slice(0, stage.body.cut);
const rest = (stage: OnStream) => frames(stage).slice(stage.body.cut);

/** The frames up to the vendor's last report in one piece, without what says that nothing follows. */
function reported(stage: OnStream): string {
  const sent = frames(stage);
  const last = sent.findIndex((frame) => frame.includes(stage.body.lastMarker));
  const usage = sent.findIndex((frame, index) => index > last && frame.includes('"choices":[]'));
  return sent.slice(0, Math.max(last, usage) + 1).join("");
}

export const STREAM_ENDINGS: readonly Ending<StreamBody>[] = [
  {
    name: "completed",
    script: (stage) => events(...frames(stage)),
    calls: [{ ending: "completed", usage: "vendor" }],
  },
  {
    name: "completed, in small pieces",
    script: (stage) => events(...pieces(frames(stage).join(""), 61)),
    calls: [{ ending: "completed", usage: "vendor" }],
  },
  {
    kind: "still",
    name: "break while the vendor is silent",
    script: (stage) => events(...passed(stage), "hang"),
    ...{ act: "break", when: "cut", leaves: true },
    calls: [{ ending: "canceled", usage: "cut" }],
  },
  {
    name: "break while the vendor goes on",
    script: (stage) => events(...passed(stage), { until: stage.acted }, rest(stage)[0]!, "hang"),
    ...{ act: "break", when: "cut", leaves: true },
    calls: [{ ending: "canceled", usage: "cut" }],
  },
  {
    kind: "late",
    name: "break behind the vendor's last report",
    script: (stage) => events(reported(stage), "hang"),
    ...{ act: "break", when: "last", leaves: true },
    calls: [{ ending: "completed", usage: "vendor" }],
  },
  {
    name: "abort signal",
    script: (stage) => events(...passed(stage), "hang"),
    ...{ act: "abort", when: "cut", leaves: true },
    calls: [{ ending: "canceled", usage: "cut" }],
  },
  {
    name: "abort signal before the head",
    script: () => events("hang"),
    ...{ act: "abort", when: "sent", headless: true, leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    name: "timeout signal",
    script: (stage) => events(...passed(stage), "hang"),
    ...{ act: "timeout", when: "cut", leaves: true },
    calls: [{ ending: "canceled", usage: "cut" }],
  },
  {
    name: "timeout of the SDK before the head",
    script: () => events("hang"),
    ...{ timeout: TIMEOUT, leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    kind: "unread",
    name: "unread, then flush()",
    script: (stage) => events("head", ...passed(stage), "hang"),
    reads: "nothing",
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    kind: "collected",
    name: "unread and collected",
    script: (stage) => events("head", ...passed(stage), "hang"),
    ...{ reads: "drops it", leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    name: "read in part, then collected",
    script: (stage) => events(...passed(stage), "hang"),
    ...{ act: "leave", when: "cut" },
    calls: [{ ending: "canceled", usage: "cut" }],
    fits: (shape) => shape.droppable === true,
  },
  {
    name: "flush() while open",
    script: (stage) => events(...passed(stage), { until: stage.acted }, ...rest(stage)),
    ...{ act: "flush", when: "cut" },
    calls: [{ ending: "canceled", usage: "cut" }],
  },
  {
    name: "error status",
    script: ({ body }) => refused(400, body),
    calls: [{ ending: "failed", usage: "none" }],
  },
  {
    kind: "retries",
    name: "error statuses, tried again",
    script: (stage) => (stage.attempt < 2 ? refused([429, 500][stage.attempt]!, stage.body) : events(...frames(stage))),
    retries: 2,
    calls: [
      { ending: "failed", usage: "none" },
      { ending: "failed", usage: "none" },
      { ending: "completed", usage: "vendor" },
    ],
  },
  {
    name: "error status, tried again after a second",
    script: (stage) => (stage.attempt < 1 ? refused(500, stage.body) : events(...frames(stage))),
    retries: 1,
    calls: [
      { ending: "failed", usage: "none" },
      { ending: "completed", usage: "vendor" },
    ],
    fits: (shape) => shape.slowRetries === true,
  },
  {
    name: "completed, without the last blank line",
    script: (stage) => events(frames(stage).join("").trimEnd()),
    calls: [{ ending: "completed", usage: "vendor" }],
  },
  {
    name: "ended early, without the vendor's word",
    script: (stage) => events(...passed(stage)),
    calls: [{ ending: "failed", usage: "cut" }],
  },
  {
    name: "error event",
    script: (stage) => events(...passed(stage), stage.body.dialect.errorEvent),
    calls: [{ ending: "failed", usage: "cut" }],
  },
  {
    name: "socket cut",
    script: (stage) => events(...passed(stage), { until: stage.acted }, "cut"),
    ...{ act: "go on", when: "cut" },
    calls: [{ ending: "failed", usage: "cut" }],
  },
  {
    name: "socket cut inside a frame",
    script: (stage) => events(...passed(stage), rest(stage)[0]!.slice(0, 40), { until: stage.acted }, "cut"),
    ...{ act: "go on", when: "cut" },
    calls: [{ ending: "failed", usage: "cut" }],
  },
  {
    name: "socket cut before the head",
    script: () => events("cut"),
    calls: [{ ending: "failed", usage: "none" }],
  },
  {
    name: "socket cut before the head, tried again",
    script: (stage) => (stage.attempt < 1 ? events("cut") : events(...frames(stage))),
    retries: 1,
    calls: [
      { ending: "failed", usage: "none" },
      { ending: "completed", usage: "vendor" },
    ],
    fits: (shape) => shape.retriesCuts === true,
  },
];
