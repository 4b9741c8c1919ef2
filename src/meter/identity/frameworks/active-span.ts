import { text } from "../../../core/json.ts";
import { contextValue, describeSpan } from "../../tracing/otel-global.ts";
import { joinTracerProvider, parentOf, watchTracerProvider } from "../../tracing/span-ancestry.ts";
import { isNamedByUs } from "../../tracing/span-claim.ts";
import type { Framework } from "./framework.ts";

type Attributes = Readonly<Record<string, unknown>>;

const CONVERSATION = ["gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id"];
const USER = ["user.id", "enduser.id", "traceloop.association.properties.user_id"];
/** OpenInference keeps these in OpenTelemetry's context, until it makes a span. */
const SESSION_KEY = Symbol.for("OpenInference SDK Context Key session.id");
const USER_KEY = Symbol.for("OpenInference SDK Context Key user.id");

/**
 * The spans that are open around us, of whatever instrumentation: the GenAI conventions, OpenInference, Traceloop, and
 * the AI SDK's own of version 6 and before.
 */
export const activeSpan: Framework = {
  name: "active-span",
  rank: 2,
  inSpans: true,

  readAround(around) {
    let { span } = around;
    // It may have been registered again.
    joinTracerProvider();
    const agents: string[] = [];
    let conversation = text(contextValue(around, SESSION_KEY));
    let user = text(contextValue(around, USER_KEY));
    for (let hops = 0; span && hops < MAX_HOPS; span = parentOf(span), hops += 1) {
      const { name, attributes } = describeSpan(span);
      const agent = agentOf(name, attributes, isNamedByUs(span));
      if (agent !== undefined && agents[0] !== agent) agents.unshift(agent);
      conversation ??= first(attributes, CONVERSATION);
      user ??= first(attributes, USER);
    }
    if (agents.length === 0 && conversation === undefined && user === undefined) return undefined;
    return { agents: agents.length > 0 ? agents : undefined, conversation, user };
  },

  listen: ({ guard }) => watchTracerProvider(guard),
};

const MAX_HOPS = 100;

/** The agent that a span is the run of, or that made the call of which it is the span. */
function agentOf(name = "", attributes: Attributes = {}, isOurs = false): string | undefined {
  const agent = isOurs ? undefined : text(attributes["gen_ai.agent.name"]);
  if (agent !== undefined) return agent;
  if (attributes["openinference.span.kind"] === "AGENT") return text(attributes["agent.name"]) ?? text(name);
  const kind = attributes["traceloop.span.kind"];
  if (kind === "agent" || kind === "workflow") return text(attributes["traceloop.entity.name"]) ?? text(name);
  if (kind !== undefined) return undefined;
  const functionId = text(attributes["ai.telemetry.functionId"]);
  if (functionId !== undefined) return functionId;
  const workflow = text(attributes["gen_ai.workflow.name"]) ?? text(attributes["adk.workflow.name"]);
  if (workflow !== undefined) return workflow;
  // Mastra sets a span's kind only when it ends; until then its name tells.
  const ofMastra = /^agent run: '(.+)'(?: \(\w+\))?$/.exec(name)?.[1];
  if (ofMastra !== undefined) return ofMastra;
  const named = /^invoke_(?:agent|workflow) (.+)/.exec(name)?.[1];
  // The AI SDK puts the model where an agent has no name.
  return named === attributes["gen_ai.request.model"] ? undefined : named;
}

function first(attributes: Attributes = {}, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = text(attributes[name]);
    if (value !== undefined) return value;
  }
  return undefined;
}
