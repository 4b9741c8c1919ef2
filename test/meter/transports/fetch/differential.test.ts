import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Runtime } from "../../../../src/process/runtime.ts";
import { bodyFor, CHUNK, KINDS, pieces } from "./body/answers.ts";
import { CALLERS, type Metering, startMetering } from "./body/metering.ts";
import { OPERATIONS, type Operation, type Stage, seen } from "./differential/operations.ts";

const native = globalThis.fetch;
type Fetch = typeof native;

let metering: Metering;

beforeAll(async () => {
  metering = await startMetering();
  metering.server.play(({ path, body }) => {
    if (path.startsWith("/moved")) return { status: 307, headers: { location: path.slice(6) }, steps: ["head"] };
    const text = body === "" || !body.startsWith("{") ? "{}" : bodyFor(body);
    const type = text.startsWith("data:") ? "text/event-stream; charset=utf-8" : "application/json";
    const headers = { "content-type": type };
    if (!path.startsWith("/broken")) return { headers, steps: pieces(Buffer.from(text), CHUNK) };
    return { headers, steps: [...pieces(Buffer.from(beginningOf(text)), CHUNK), { pause: 5 }, "cut"] };
  });
});

afterAll(() => metering.stop());

/** Some events and a little of the next; as many for those who asked for usage as for those who did not. */
function beginningOf(text: string): string {
  const events = text.split(/(?<=\n\n)/);
  return events.length > 6 ? events.slice(0, 6).join("") + events[6]?.slice(0, 20) : text.slice(0, 100);
}

function stageOf(fetch: Fetch, kind: string, headers: Record<string, string>): Stage {
  const { url } = metering.server;
  const init: Stage["init"] = () => ({
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-secret", ...headers },
    body: KINDS[kind]?.request as string,
  });
  return {
    fetch,
    url: `${url}/v1/chat/completions`,
    init,
    response: () => fetch(`${url}/v1/chat/completions`, init()),
    broken: () => fetch(`${url}/broken/v1/chat/completions`, init()),
  };
}

async function outcome(operation: Operation, stage: Stage): Promise<unknown> {
  try {
    return await operation(stage);
  } catch (error) {
    return seen(error);
  }
}

describe("every operation is as without us", () => {
  let right = 0;
  let made = 0;

  for (const [kind, operations] of Object.entries(OPERATIONS)) {
    for (const [caller, headers] of Object.entries(CALLERS)) {
      for (const request of Object.keys(KINDS)) {
        test(`${kind}: ${request}, ${caller} caller`, async () => {
          const metered = wrapped(metering.runtime);
          const wrong: unknown[] = [];
          for (const [name, operation] of Object.entries(operations)) {
            made += 1;
            const bare = await outcome(operation, stageOf(native, request, headers));
            const ours = await outcome(operation, stageOf(metered, request, headers));
            try {
              expect(ours, name).toEqual(bare);
              right += 1;
            } catch (error) {
              wrong.push(error);
            }
          }
          if (wrong.length > 0) throw new AggregateError(wrong, `${wrong.length} operations differ`);
        });
      }
    }
  }

  afterAll(() => console.log(`operations as without us, Node ${process.version}: ${right} of ${made}`));
});

const wrapped = (runtime: Runtime): Fetch => runtime.wrapFetch(native);
