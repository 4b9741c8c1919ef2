import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, type TestContext, test } from "vitest";
import { needApp } from "../apps/installed.ts";
import { runApp } from "./frameworks/run-app.ts";

const HERE = join(import.meta.dirname, "frameworks");
const TRACING = pathToFileURL(join(HERE, "tracing.mjs")).href;

interface Framework {
  readonly says: string;
  readonly app: string;
  /** The project of `test/apps` that it is installed in; ours where there is none. */
  readonly project?: string;
  /** The app has an OpenTelemetry of its own. */
  readonly traced?: boolean;
}

const FRAMEWORKS: readonly Framework[] = [
  { says: "OpenAI Agents SDK 0.20", app: "openai-agents" },
  { says: "OpenAI Agents SDK 0.19", app: "openai-agents", project: "openai-agents-0.19" },
  { says: "LangChain and LangGraph 1", app: "langchain" },
  { says: "LangChain 0.3 and LangGraph 0.4", app: "langgraph-0", project: "langgraph-0" },
  { says: "AI SDK 7", app: "ai-sdk" },
  { says: "AI SDK 6, with OpenTelemetry", app: "ai-sdk-6", project: "ai-sdk-6", traced: true },
  { says: "Google ADK 2, with OpenTelemetry", app: "google-adk", project: "google-adk", traced: true },
  { says: "Mastra 1, with its bridge to OpenTelemetry", app: "mastra", project: "mastra", traced: true },
  { says: "Google ADK 1, with OpenTelemetry", app: "google-adk", project: "google-adk-1", traced: true },
];

/** Runs an app where its framework is installed. */
async function play({ app, project, traced }: Framework, context: TestContext) {
  const source = join(HERE, "apps", `${app}.mjs`);
  if (project === undefined) return runApp(source, { cwd: HERE });
  const cwd = await needApp(context, project);
  // What an app imports is looked for beside it; another checkout's tests may share the project.
  const program = join(cwd, `${process.pid}-${app}.mjs`);
  copyFileSync(source, program);
  try {
    return await runApp(program, { cwd, preloads: traced ? [TRACING] : [] });
  } finally {
    rmSync(program, { force: true });
  }
}

describe("an app that has never heard of us shows its agents by name", () => {
  test.for(FRAMEWORKS)("$says", async (framework, context) => {
    const { asked, metered } = await play(framework, context);
    const named = asked.map(({ responseId }) => {
      const call = metered.find((one) => one.responseId === responseId);
      return { responseId, agent: call?.scope.agent, rootAgent: call?.scope.rootAgent };
    });
    const right = asked.filter(
      ({ agent, rootAgent }, index) => named[index]?.agent === agent && named[index]?.rootAgent === rootAgent,
    );
    console.log(`${framework.says}: ${right.length} of ${asked.length} calls on the right agent and root agent`);
    expect(named).toEqual(asked);
    expect(metered).toHaveLength(asked.length);
    expect(asked.length).toBeGreaterThan(20);
    expect(metered.every(({ usage }) => usage?.input === 40 && usage.output === 10)).toBe(true);
  });
});
