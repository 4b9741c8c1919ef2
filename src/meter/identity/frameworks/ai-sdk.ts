import { tracingChannel } from "node:diagnostics_channel";
import { object, text } from "../../../core/json.ts";
import type { Framework, Identity } from "./framework.ts";

const CHANNEL = "ai:telemetry";

interface Execution {
  readonly functionId?: unknown;
  readonly execute: () => PromiseLike<unknown>;
}

/**
 * Vercel's AI SDK, from version 7: `telemetry.functionId` is the name. Its tracing channel surrounds a whole generation,
 * tools and streams included; its global integrations, which the first releases have alone, each model call and tool.
 * A call with `telemetry: { isEnabled: false }` has no name in either.
 */
export const aiSdk: Framework = {
  name: "ai-sdk",
  rank: 1,

  listen({ enter, bind }) {
    const unbind = bind(tracingChannel(CHANNEL).start, (message) =>
      identityOf(object(object(message)?.event)?.functionId),
    );
    const run = ({ functionId, execute }: Execution): PromiseLike<unknown> => {
      const identity = identityOf(functionId);
      return identity === undefined ? execute() : enter(identity, execute);
    };
    const ours = { executeLanguageModelCall: run, executeTool: run };
    const slots = globalThis as { AI_SDK_TELEMETRY_INTEGRATIONS?: object[] };
    slots.AI_SDK_TELEMETRY_INTEGRATIONS ??= [];
    slots.AI_SDK_TELEMETRY_INTEGRATIONS.push(ours);
    return () => {
      unbind();
      const list = slots.AI_SDK_TELEMETRY_INTEGRATIONS;
      const at = list?.indexOf(ours) ?? -1;
      if (at >= 0) list?.splice(at, 1);
    };
  },
};

function identityOf(functionId: unknown): Identity | undefined {
  const name = text(functionId);
  return name ? { agents: [name] } : undefined;
}
