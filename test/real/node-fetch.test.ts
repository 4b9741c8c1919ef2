import { describe, expect, test } from "vitest";
import { expectAsWithoutUs, NODES, namesOf, type Played, play } from "./behaviours/played.ts";

const CASES = NODES.flatMap((release) => [2, 3].map((major) => ({ ...release, major })));

/** A request is read before it is sent, so that one whose source fails is not sent at all. */
const UNSENT = ["body: a stream that fails"];

function isRefusedRight({ expected, calls, wire, problems }: Played): boolean {
  const sent = wire.filter(({ method, path }) => method === "POST" && path.endsWith("/v1/chat/completions"));
  const isCall = expected === null ? calls.length > 0 : expected.length > 0;
  // One that is aborted before it is sent throws by itself in version 3.
  if (!isCall) return calls.every(({ ending }) => ending === "blocked");
  return problems.length === 0 && sent.length === 0 && calls.every(({ ending }) => ending === "blocked");
}

describe.each(CASES)("node-fetch $major on $name", ({ name, node, major }) => {
  const program = { folder: "node-fetch", app: "http-clients", args: [String(major)] };

  // Some behaviours race with a timer: on a busy machine even two bare runs may differ. What we change differs each time.
  test("behaves as without us, and each call is metered once", { retry: 2 }, async (context) => {
    const expected = { title: `node-fetch ${major}, ${name}`, above: 50, apart: { wire: UNSENT } };
    await expectAsWithoutUs(context, program, node, expected);
  });

  test("is refused before anything is sent, in a shape that it takes", async (context) => {
    const refused = await play(context, program, node, "refused");
    const right = namesOf(refused, isRefusedRight);
    const names = Object.keys(refused);
    console.log(`node-fetch ${major}, ${name}: ${right.length} of ${names.length} refused right`);
    expect(names.filter((key) => !right.includes(key)).map((key) => [key, refused[key]])).toEqual([]);
    expect(refused["body: string"]?.outcome).toMatchObject({ status: 402 });
  });
});
