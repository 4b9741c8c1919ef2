import type { Script, Step, Visit } from "../servers/model-server.ts";
import type { StreamBody, WholeBody } from "./bodies.ts";
import type { Shape } from "./shape.ts";

/** What one settled call must say. */
export interface Expected {
  readonly ending: "completed" | "canceled" | "failed";
  /**
   * `vendor`: what the vendor reports of the whole; `cut`: what has passed by at the cut; `input`: nothing came, so
   * only the input counts; `none`: no usage at all.
   */
  readonly usage: "vendor" | "cut" | "input" | "none";
}

/** What the caller does when it has everything up to the cut, or when the server has sent what it sends. */
export type Act = "break" | "abort" | "timeout" | "flush" | "go on";

/** What a script needs to know. */
export interface Stage<B> {
  readonly body: B;
  readonly visit: Visit;
  readonly attempt: number;
  /** Resolves when the caller has acted. */
  readonly acted: Promise<void>;
}

/** What not every way of calling can have. */
export type Kind = "still" | "unread" | "collected" | "late" | "retries";

export interface Ending<B> {
  readonly name: string;
  readonly kind?: Kind;
  readonly script: (stage: Stage<B>) => Script;
  readonly calls: readonly Expected[];
  readonly act?: Act;
  /** When to act: at the marker of the cut, of the last report, or when the server has sent what it sends. */
  readonly when?: "cut" | "last" | "sent";
  /** No head comes before the caller acts. */
  readonly headless?: true;
  /** What the caller does with the answer. */
  readonly reads?: "nothing" | "drops it";
  /** The client is to close the connection, and the server to see it at once. */
  readonly leaves?: true;
  readonly retries?: number;
  /** Milliseconds that the SDK may wait. */
  readonly timeout?: number;
  readonly fits?: (shape: Shape) => boolean;
}

const EVENTS = { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_1" };
const JSON_TYPE = { "content-type": "application/json", "x-request-id": "req_1" };
const NOW = { ...JSON_TYPE, "retry-after-ms": "1" };
const TIMEOUT = 60;

type OnStream = Stage<StreamBody>;

const events = (...steps: readonly Step[]): Script => ({ headers: EVENTS, steps });
const frames = ({ body, visit }: OnStream) => body.frames(visit);
const passed = (stage: OnStream) => frames(stage).slice(0, stage.body.cut);
const rest = (stage: OnStream) => frames(stage).slice(stage.body.cut);
const refused = (status: number, body: StreamBody | WholeBody): Script => ({
  status,
  headers: NOW,
  steps: [body.dialect.refusal(status)],
});

/** The frames up to the vendor's last report in one piece, without what says that nothing follows. */
function reported(stage: OnStream): string {
  const sent = frames(stage);
  const last = sent.findIndex((frame) => frame.includes(stage.body.lastMarker));
  const usage = sent.findIndex((frame, index) => index > last && frame.includes('"choices":[]'));
  return sent.slice(0, Math.max(last, usage) + 1).join("");
}

function pieces(text: string, size: number): readonly Step[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
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

type OnWhole = Stage<WholeBody>;

const answer = (...steps: readonly Step[]): Script => ({ headers: JSON_TYPE, steps });
const half = ({ body }: OnWhole) => body.body.slice(0, body.body.length / 2);

export const WHOLE_ENDINGS: readonly Ending<WholeBody>[] = [
  {
    name: "completed",
    script: ({ body }) => answer(body.body),
    calls: [{ ending: "completed", usage: "vendor" }],
  },
  {
    name: "completed, in small pieces",
    script: ({ body }) => answer(...pieces(body.body, 101)),
    calls: [{ ending: "completed", usage: "vendor" }],
  },
  {
    name: "abort signal before the head",
    script: () => answer("hang"),
    ...{ act: "abort", when: "sent", headless: true, leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    name: "abort signal inside the body",
    script: (stage) => answer(half(stage), "hang"),
    ...{ act: "abort", when: "sent", leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    name: "timeout of the SDK before the head",
    script: () => answer("hang"),
    ...{ timeout: TIMEOUT, leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    name: "timeout signal inside the body",
    script: (stage) => answer(half(stage), "hang"),
    ...{ act: "timeout", when: "sent", leaves: true },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    kind: "unread",
    name: "unread, then flush()",
    script: ({ body }) => answer("head", body.body),
    reads: "nothing",
    calls: [{ ending: "canceled", usage: "input" }],
    fits: (shape) => shape.kind === "whole" && shape.bare === true,
  },
  {
    name: "flush() while open",
    script: (stage) => answer(half(stage), { until: stage.acted }, stage.body.body.slice(half(stage).length)),
    ...{ act: "flush", when: "sent" },
    calls: [{ ending: "canceled", usage: "input" }],
  },
  {
    name: "error status",
    script: ({ body }) => refused(400, body),
    calls: [{ ending: "failed", usage: "none" }],
  },
  {
    kind: "retries",
    name: "error statuses, tried again",
    script: (stage) => (stage.attempt < 2 ? refused([429, 500][stage.attempt]!, stage.body) : answer(stage.body.body)),
    retries: 2,
    calls: [
      { ending: "failed", usage: "none" },
      { ending: "failed", usage: "none" },
      { ending: "completed", usage: "vendor" },
    ],
  },
  {
    name: "socket cut inside the body",
    script: (stage) => answer(half(stage), { until: stage.acted }, "cut"),
    ...{ act: "go on", when: "sent" },
    calls: [{ ending: "failed", usage: "input" }],
  },
  {
    name: "socket cut before the head",
    script: () => answer("cut"),
    calls: [{ ending: "failed", usage: "none" }],
  },
  {
    name: "socket cut before the head, tried again",
    script: (stage) => (stage.attempt < 1 ? answer("cut") : answer(stage.body.body)),
    retries: 1,
    calls: [
      { ending: "failed", usage: "none" },
      { ending: "completed", usage: "vendor" },
    ],
    fits: (shape) => shape.retriesCuts === true,
  },
];
