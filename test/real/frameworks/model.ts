import { streamed, whole } from "../../servers/formats.ts";
import type { Answer, Script, Step } from "../../servers/model-server.ts";
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
 * all; `All at once.` makes it call its tools in parallel, and `Arguments: {…}` says with what. Of a stream, `Wait for me.`
 * withholds all but the first frame until somebody asks for `/go-on`, and `In one piece.` sends every frame in one chunk.
 */
export function createModel(): { readonly answer: Answer; readonly asked: readonly Asked[] } {
  const asked: Asked[] = [];
  let goOn = Promise.withResolvers<void>();
  return {
    asked,
    answer: ({ path, body }) => {
      if (path === "/go-on") {
        goOn.resolve();
        goOn = Promise.withResolvers();
        return { steps: ["on it goes"] };
      }
      const dialect = DIALECTS.find(({ matches }) => matches.test(path));
      if (dialect === undefined) return { status: 404, steps: [`no dialect for ${path}`] };
      const turn = dialect.read(JSON.parse(body), path);
      const [, agent = "?", rootAgent = "?"] = /You are ([\w -]+?) of ([\w -]+?)\./.exec(turn.instructions) ?? [];
      const responseId = `answer-${asked.length + 1}`;
      asked.push({ responseId, agent, rootAgent });
      const reply: Reply = { id: responseId, calls: callsOf(turn), text: `Done, says ${agent}.` };
      if (!turn.stream) return whole(dialect.whole(reply, turn));
      return events(dialect.stream(reply, turn), turn, goOn.promise);
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

function events(frames: readonly string[], { instructions }: Turn, goOn: Promise<void>): Script {
  const [first = "", ...rest] = frames;
  if (instructions.includes("In one piece.")) return streamed([first, ...rest].join(""));
  const pause: Step = instructions.includes("Wait for me.") ? { until: goOn } : { pause: 1 };
  return streamed(first, pause, ...rest.flatMap((frame): Step[] => [frame, { pause: 1 }]));
}
