import { evictOldest, setBounded } from "../../core/bounded-map.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { restOf, type Usage } from "../../core/usage.ts";
import { resolveUsage } from "../estimates/usage.ts";
import { withTools } from "../wire/tools/server-tools.ts";
import type { OpenCall } from "./open-call.ts";

/** A response that continues at the vendor after its request is over. */
interface Running {
  readonly node: ScopeNode;
  /** What was already counted of it, when its stream broke off. */
  readonly counted: Usage | undefined;
}

/** Maximum responses kept; the oldest are dropped. */
const MAX = 10_000;

/**
 * Responses that run in the background are counted when they are retrieved: once, however often they are polled, and on
 * the scope that started them where that was in this process. Of a stream that broke off, the retrieval adds the rest.
 */
export interface Background {
  /** Whether this call is to be recorded; a poll that brings nothing new is not. */
  counts(call: OpenCall): boolean;
}

export function createBackground(): Background {
  const running = new Map<string, Running>();
  const counted = new Set<string>();

  function done(id: string): void {
    running.delete(id);
    counted.add(id);
    if (counted.size > MAX) evictOldest(counted, MAX);
  }

  return {
    counts(call) {
      const { reading, facts } = call;
      const { responseId: id, background, usage } = reading;
      if (facts.retrieval !== true) {
        if (!background || id === undefined) return true;
        if (reading.outputReported) done(id);
        else {
          const usage = resolveUsage(call.services.knowledge, call.target.format.rates, facts, reading).usage;
          const counted = usage && withTools(usage, reading.tools, undefined);
          setBounded(running, id, { node: call.node, counted }, MAX);
        }
        return true;
      }
      if (!background || usage === undefined || id === undefined || counted.has(id)) return false;
      const before = running.get(id);
      call.node = before?.node ?? call.node;
      if (before?.counted) {
        reading.usage = restOf(withTools(usage, reading.tools, undefined), before.counted);
        reading.tools = undefined;
        // What the vendor reports is the cost of the whole.
        reading.costUsd = undefined;
      }
      done(id);
      return true;
    },
  };
}
