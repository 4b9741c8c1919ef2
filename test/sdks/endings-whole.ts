import type { Script, Step } from "../servers/model-server.ts";
import type { WholeBody } from "./bodies.ts";
import { type Ending, pieces, refused, type Stage, TIMEOUT } from "./endings.ts";

const JSON_TYPE = { "content-type": "application/json", "x-request-id": "req_1" };

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
