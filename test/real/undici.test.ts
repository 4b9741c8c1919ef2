import { describe, expect, test } from "vitest";
import { expectAsWithoutUs, NODES, namesOf, type Played, play } from "./behaviours/played.ts";

function isRefusedRight({ expected, calls, wire, problems }: Played): boolean {
  const sent = wire.filter(({ path }) => path.endsWith("/v1/chat/completions"));
  const isCall = expected === null ? calls.length > 0 : expected.length > 0;
  if (!isCall) return problems.length === 0;
  return (
    problems.length === 0 && sent.length === 0 && calls.length > 0 && calls.every((call) => call.ending === "blocked")
  );
}

/** Version 8 needs a later Node than 22.15. */
const MAJORS = [5, 6, 7, 8];
const CASES = NODES.flatMap(({ name, node }) =>
  MAJORS.filter((major) => major < 8 || node !== "node-22").map((major) => ({ name, node, major })),
);

describe.each(CASES)("undici $major on $name", ({ name, node, major }) => {
  const program = { folder: "undici", app: "undici", args: [String(major)] };

  // Some behaviours race with a timer: on a busy machine even two bare runs may differ. What we change differs each time.
  test("behaves as without us, and each call is metered once", { retry: 2 }, async (context) => {
    const expected = { title: `undici ${major}, ${name}`, above: 80 };
    await expectAsWithoutUs(context, program, node, expected);
  });

  test("is refused before anything is sent, in a shape that it takes", async (context) => {
    const refused = await play(context, program, node, "refused");
    const right = namesOf(refused, isRefusedRight);
    const names = Object.keys(refused);
    console.log(`undici ${major}, ${name}: ${right.length} of ${names.length} refused right`);
    expect(names.filter((key) => !right.includes(key)).map((key) => [key, refused[key]])).toEqual([]);
    expect(refused["request: string"]?.outcome).toMatchObject({ statusCode: 402 });
    expect(refused["fetch: string"]?.outcome).toMatchObject({ status: 402 });
  });
});
