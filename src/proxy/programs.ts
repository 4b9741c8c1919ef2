import type { IncomingHttpHeaders } from "node:http";
import { object, parse } from "../core/json.ts";

/** A refusal as one program takes it. */
export interface ShapedRefusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Who a program says is at work inside it. */
export interface Inside {
  /** A sub-agent's name; undefined for the main one. */
  readonly agent?: string | undefined;
  readonly conversation?: string | undefined;
}

/** An agent program, and how it differs from any other client of its vendor's API. */
export interface Program {
  /** The agent of its calls where nothing else names one; undefined for a client library. */
  readonly name: string | undefined;
  /** Whether a request is its own. */
  readonly is: (headers: IncomingHttpHeaders) => boolean;
  readonly inside: (headers: IncomingHttpHeaders) => Inside;
  /** The refusal with which it ends its turn at once and shows our text; absent: the 402 of its API does. */
  readonly refuse?: (path: string, message: string) => ShapedRefusal | undefined;
  /** The status with which it takes the refusal of its API as final; absent: 402. */
  readonly finalStatus?: number;
  /** The same as a message on a WebSocket. */
  readonly refuseOnSocket?: (message: string) => object;
  /** It goes on over HTTP at once where a handshake is answered 426, and tries again after other errors. */
  readonly prefersHttp?: boolean;
}

const MAX_METADATA = 16 * 1024;
const ROOT = "/root";

const PROGRAMS: readonly Program[] = [
  {
    name: "codex",
    is: ({ originator, "user-agent": agent }) => /^codex/i.test(textOf(originator)) || /^codex/i.test(textOf(agent)),
    inside(headers) {
      const said = textOf(headers["x-codex-turn-metadata"]);
      const metadata = said.length > MAX_METADATA ? undefined : object(parse(said));
      const path = textOf(metadata?.agent_name);
      const agent = path === ROOT ? undefined : path.slice(path.lastIndexOf("/") + 1);
      return {
        agent: agent || textOf(headers["x-openai-subagent"]) || undefined,
        conversation: idOf(metadata?.session_id),
      };
    },
    // It tries a 402 six times, and shows nothing of a 429.
    refuse: (path, message) => (/\/responses$/.test(path) ? refuseResponses(message) : undefined),
    refuseOnSocket: failedResponse,
    prefersHttp: true,
  },
  {
    name: "claude-code",
    is: ({ "user-agent": agent }) => /^claude-(?:cli|code)\b/i.test(textOf(agent)),
    inside: (headers) => ({
      // The id is new for each sub-agent, and no name.
      agent: headers["x-claude-code-agent-id"] === undefined ? undefined : "subagent",
      conversation: idOf(headers["x-claude-code-session-id"]),
    }),
  },
  {
    name: "gemini-cli",
    is: ({ "user-agent": agent }) => /^GeminiCLI\b/i.test(textOf(agent)),
    inside: () => ({}),
  },
  {
    name: "opencode",
    is: ({ "user-agent": agent }) => /^opencode\b/i.test(textOf(agent)),
    inside: (headers) => ({
      agent: headers["x-parent-session-id"] === undefined ? undefined : "subagent",
      conversation: idOf(headers["x-session-id"]),
    }),
  },
  {
    name: "qwen-code",
    is: ({ "user-agent": agent }) => /^QwenCode\b/i.test(textOf(agent)),
    inside: () => ({}),
  },
  {
    // LiteLLM, also in aider, which says nothing of itself. It takes a 402 for a fault of the API: aider tries that nine times.
    name: undefined,
    is: ({ "user-agent": agent, "x-stainless-raw-response": raw }) =>
      raw === "true" && /^(?:Async)?OpenAI\/Python\b/.test(textOf(agent)),
    inside: () => ({}),
    finalStatus: 400,
  },
];

/** The program that sends a request; undefined for one that we do not know. */
export function findProgram(headers: IncomingHttpHeaders): Program | undefined {
  return PROGRAMS.find(({ is }) => is(headers));
}

/** The event of a turn that ended with an error which no client tries again. */
function failedResponse(message: string): object {
  const error = { code: "invalid_prompt", message };
  const response = { id: "resp_spendfuse", object: "response", status: "failed", output: [], error };
  return { type: "response.failed", sequence_number: 0, response };
}

function refuseResponses(message: string): ShapedRefusal {
  const data = JSON.stringify(failedResponse(message));
  return {
    status: 200,
    headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    body: `event: response.failed\ndata: ${data}\n\n`,
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function idOf(value: unknown): string | undefined {
  return textOf(value).slice(0, 200) || undefined;
}
