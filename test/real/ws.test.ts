import { describe, expect, test } from "vitest";
import { expectAsWithoutUs, NODES, namesOf, type Played, play } from "./behaviours/played.ts";

const LIBRARIES = ["ws-7", "ws-8", "global"] as const;
const CASES = NODES.flatMap((release) => LIBRARIES.map((library) => ({ ...release, library })));

/** A request that is held when its connection closes is not sent, and a ping does not wait for one that is. */
const APART = { held: ["closed at once after the request", "ping in a response"] };

/** A connection to a model that may not be opened is not: nothing reaches the vendor, and the client's own error says why. */
function isRefusedRight({ calls, wire, problems }: Played): boolean {
  const handshakes = wire.filter(({ path }) => path.includes("/realtime"));
  return problems.length === 0 && handshakes.length === 0 && calls.every(({ ending }) => ending === "blocked");
}

describe.each(CASES)("$library on $name", ({ name, node, library }) => {
  const program = { folder: "ws", app: "ws", args: [library] };

  // Some behaviours race with a timer: on a busy machine even two bare runs may differ. What we change differs each time.
  test("behaves as without us, and each call is metered once", { retry: 2 }, async (context) => {
    const expected = { title: `${library}, ${name}`, above: 80, apart: APART };
    await expectAsWithoutUs(context, program, node, expected);
  });

  test("is refused before anything is sent", async (context) => {
    const refused = await play(context, program, node, "refused");
    const names = Object.keys(refused);
    const right = namesOf(refused, isRefusedRight);
    console.log(`${library}, ${name}: ${right.length} of ${names.length} refused right`);
    expect(names.filter((key) => !right.includes(key)).map((key) => [key, refused[key]])).toEqual([]);
    expect(JSON.stringify(refused["a response"]?.outcome)).toContain("none at all");
  });
});
