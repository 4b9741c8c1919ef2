import type { Answer, Script } from "../servers/model-server.ts";
import { DIALECTS, type Reply, type Turn } from "./dialects.ts";

/** Who made a request, as its own instructions say: the truth that the meter is held against. */
export interface Asked {
  readonly responseId: string;
  readonly agent: string;
  readonly rootAgent: string;
}

/**
 * A model that plays every part by one rule: it calls each tool that it is offered and that was not called yet, then it
 * answers. An agent's instructions say who it is, `You are WRITER of EDITOR.`, the second being the agent that began it
 * all; `All at once.` makes it call its tools in parallel, and `Arguments: {…}` says with what.
 */
export function createModel(): { readonly answer: Answer; readonly asked: readonly Asked[] } {
  const asked: Asked[] = [];
  return {
    asked,
    answer: ({ path, body }) => {
      const dialect = DIALECTS.find(({ matches }) => matches.test(path));
      if (dialect === undefined) return { status: 404, steps: [`no dialect for ${path}`] };
      const turn = dialect.read(JSON.parse(body), path);
      const [, agent = "?", rootAgent = "?"] = /You are ([\w -]+?) of ([\w -]+?)\./.exec(turn.instructions) ?? [];
      const responseId = `answer-${asked.length + 1}`;
      asked.push({ responseId, agent, rootAgent });
      const reply: Reply = { id: responseId, calls: callsOf(turn), text: `Done, says ${agent}.` };
      return turn.stream ? events(dialect.stream(reply, turn)) : whole(dialect.whole(reply, turn));
    },
  };
}

function callsOf({ instructions, tools, said }: Turn): Reply["calls"] {
  const left = tools.filter(({ name }) => !said.includes(name));
  const now = instructions.includes("All at once.") ? left : left.slice(0, 1);
  const [, given] = /Arguments: (\{.*?\})/.exec(instructions) ?? [];
  return now.map(({ name, required }) => ({
    name,
    arguments: given ?? JSON.stringify(Object.fromEntries(required.map((key) => [key, "go on"]))),
  }));
}

const whole = (body: object): Script => ({
  headers: { "content-type": "application/json" },
  steps: [JSON.stringify(body)],
});

const events = (frames: readonly string[]): Script => ({
  headers: { "content-type": "text/event-stream" },
  steps: frames.flatMap((frame) => [`${frame}\n\n`, { pause: 1 }]),
});
