import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as wire from "../servers/formats.ts";
import type { Answer, ModelServer, Script } from "../servers/model-server.ts";
import type { Round } from "./spender.ts";

const PROGRAM = fileURLToPath(new URL("spender.ts", import.meta.url));

/** One process of `spender.ts`. */
export interface Spender {
  /** Makes calls; `limited` 0 sets no output limit, 2 makes whole calls only. */
  spend(calls: number, concurrent: number, limited: 0 | 1 | 2): Promise<Round>;
  stop(): Promise<void>;
  readonly child: ChildProcess;
  readonly lines: Interface;
}

export function startSpender(
  store: string,
  server: ModelServer,
  budgets: readonly object[],
  ...more: string[]
): Spender {
  const child = spawn(
    process.execPath,
    ["--no-warnings", PROGRAM, store, server.url, JSON.stringify(budgets), ...more],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const lines = createInterface({ input: child.stdout });
  const gone = once(child, "exit").then(([code]) => {
    throw new Error(`a spender ended with ${code}`);
  });
  gone.catch(() => {});
  return {
    child,
    lines,
    async spend(calls, concurrent, limited) {
      child.stdin.write(`${calls} ${concurrent} ${limited}\n`);
      const [line] = (await Promise.race([once(lines, "line"), gone])) as [string];
      return JSON.parse(line) as Round;
    },
    async stop() {
      const exited = once(child, "exit");
      child.stdin.write("stop\n");
      await exited;
    },
  };
}

const ORIGIN = { id: "c", model: "test-model" };

/**
 * A vendor that bills 30 input tokens and, of a stream, what it sent: 40 tokens a piece of text, 160 in all; without a
 * limit up to `most`. It answers each kind of call as its name says.
 */
export function vendorOf(most = 160): Answer {
  return (visit) => {
    const kind = visit.headers["x-kind"];
    const limited = visit.body.includes('"max_tokens"');
    const output = limited ? 160 : most;
    const usage = wire.chatUsage({ input: 30, output });
    if (kind === "error") {
      const error = { message: "The server had an error", type: "server_error" };
      return { status: 500, ...wire.whole({ error }) };
    }
    if (kind === "whole") {
      const { headers, steps } = wire.whole(wire.chatCompletion(ORIGIN, { content: "Deep." }, usage));
      return { ...(headers && { headers }), steps: [{ pause: 5 }, ...steps] };
    }
    const text = wire.chatDelta(ORIGIN, { content: "It is deep enough for ships. ".repeat(5) });
    const last = wire.chatChunk(ORIGIN, [], { usage }) + wire.DONE;
    const begun = [wire.chatDelta(ORIGIN, { role: "assistant", content: "" }), text];
    const steps = [...begun, { pause: 4 }, text];
    const stepsOf: Readonly<Record<string, Script["steps"]>> = {
      cut: [...steps, "cut"],
      // Whoever leaves must not come too late to leave.
      break: [...begun, "hang"],
      abort: [...begun, "hang"],
    };
    return wire.streamed(...(stepsOf[String(kind)] ?? [...steps, last]));
  };
}
