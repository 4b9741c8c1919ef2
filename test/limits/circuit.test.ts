import { describe, expect, test } from "vitest";
import {
  type AlertMark,
  type Circuit,
  type CircuitEvent,
  circuitAt,
  closedCircuit,
  HOLD_MS,
  nextCircuit,
  PROBES,
  PROBING_MS,
} from "../../src/limits/circuit.ts";

const T = 1_795_000_000_000;
const TTL = 900_000;

const alert = (cycle: string, transition: string, at: number, event = `${at}`): readonly [string, AlertMark] => [
  "123",
  { cycle, transition, event, at },
];
const trip = (mark?: readonly [string, AlertMark], ttlMs = TTL): CircuitEvent => ({
  type: "trip",
  source: mark ? "datadog" : "operator",
  reason: "too much",
  by: "me",
  ttlMs,
  ...(mark && { alert: mark }),
});
const recover = (mark: readonly [string, AlertMark]): CircuitEvent => ({ type: "recover", by: "me", alert: mark });

/** Applies events one after another; each at its own time. */
function live(...events: readonly (readonly [at: number, event: CircuitEvent])[]): Circuit {
  return events.reduce((circuit, [at, event]) => nextCircuit(circuit, event, at).circuit, closedCircuit("agent:a"));
}

describe("the life of a circuit", () => {
  test("a trip latches for its time, then some calls may try, then it closes", () => {
    const open = live([T, trip()]);
    expect(open).toMatchObject({ state: "open", since: T, until: T + TTL, source: "operator", rev: 1 });
    expect(circuitAt(open, T + TTL - 1).state).toBe("open");
    expect(circuitAt(open, T + TTL)).toMatchObject({ state: "probing", probes: PROBES, until: T + TTL + PROBING_MS });
    expect(circuitAt(open, T + TTL + PROBING_MS)).toMatchObject({ state: "closed", since: T + TTL + PROBING_MS });
  });

  test("only so many probes are let through", () => {
    let circuit = live([T, trip()]);
    for (let probe = 0; probe < PROBES; probe++) {
      const step = nextCircuit(circuit, { type: "probe" }, T + TTL + probe);
      expect(step.changed).toBe(true);
      circuit = step.circuit;
    }
    expect(nextCircuit(circuit, { type: "probe" }, T + TTL + 9)).toMatchObject({
      changed: false,
      why: "no probe left",
    });
  });

  test("a trip while it probes opens it again", () => {
    expect(live([T, trip()], [T + TTL, { type: "probe" }], [T + TTL + 5, trip()])).toMatchObject({
      state: "open",
      until: T + 2 * TTL + 5,
    });
  });

  test.each([
    [
      "a repeated alert extends it",
      [
        [T, trip(alert("c", "Triggered", 1))],
        [T + 60_000, trip(alert("c", "Renotify", 2))],
      ],
      "open",
      T + 60_000 + TTL,
    ],
    [
      "the same alert twice does nothing",
      [
        [T, trip(alert("c", "Triggered", 1))],
        [T + 60_000, trip(alert("c", "Triggered", 1))],
      ],
      "open",
      T + TTL,
    ],
    [
      "sent again by Datadog with the same event",
      [
        [T, trip(alert("c", "Triggered", 1, "e"))],
        [T + 60_000, trip(alert("c", "Triggered", 2, "e"))],
      ],
      "open",
      T + TTL,
    ],
    [
      "a recovery shortens, but not to nothing",
      [
        [T, trip(alert("c", "Triggered", 1))],
        [T + 120_000, recover(alert("c", "Recovered", 2))],
      ],
      "open",
      T + 120_000 + HOLD_MS,
    ],
    [
      "a late recovery does not lengthen it",
      [
        [T, trip(alert("c", "Triggered", 1))],
        [T + TTL - 1, recover(alert("c", "Recovered", 2))],
      ],
      "open",
      T + TTL,
    ],
    [
      "a recovery that comes before its trigger keeps it closed",
      [
        [T, recover(alert("c", "Recovered", 2))],
        [T + 5, trip(alert("c", "Triggered", 1))],
      ],
      "closed",
      undefined,
    ],
    [
      "an old trigger, replayed after an operator's reset",
      [
        [T, trip(alert("c", "Triggered", 1))],
        [T + 5, { type: "reset", by: "me", reason: "ok" }],
        [T + 9, trip(alert("c", "Triggered", 1))],
      ],
      "closed",
      undefined,
    ],
    [
      "a recovery does not end an operator's trip",
      [
        [T, trip()],
        [T + 5, recover(alert("c", "Recovered", 2))],
      ],
      "open",
      T + TTL,
    ],
    [
      "a short trip does not cut a long one",
      [
        [T, trip()],
        [T + 5, trip(undefined, 1_000)],
      ],
      "open",
      T + TTL,
    ],
    [
      "a recovery is told from its alert by the transition, also with the same event",
      [
        [T, trip(alert("c", "Triggered", 1, "e"))],
        [T + 120_000, recover(alert("c", "Recovered", 2, "e"))],
      ],
      "open",
      T + 120_000 + HOLD_MS,
    ],
    [
      "another cycle trips anew",
      [
        [T, trip(alert("c", "Triggered", 1))],
        [T + 5, { type: "reset", by: "me", reason: "ok" }],
        [T + 9, trip(alert("d", "Triggered", 3))],
      ],
      "open",
      T + 9 + TTL,
    ],
    ["a reset of a closed one has no effect", [[T, { type: "reset", by: "me", reason: "ok" }]], "closed", undefined],
  ] as const)("%s", (_, events, state, until) => {
    const circuit = live(...(events as unknown as readonly (readonly [number, CircuitEvent])[]));
    expect(circuit.state).toBe(state);
    expect("until" in circuit ? circuit.until : undefined).toBe(until);
  });

  test("every change counts the revision up by one, and only changes do", () => {
    const first = nextCircuit(closedCircuit("agent:a"), trip(alert("c", "Triggered", 1)), T);
    expect(first.circuit.rev).toBe(1);
    const same = nextCircuit(first.circuit, trip(alert("c", "Triggered", 1)), T);
    expect([same.changed, same.circuit.rev]).toEqual([false, 1]);
    expect(nextCircuit(circuitAt(first.circuit, T + TTL), { type: "probe" }, T + TTL).circuit.rev).toBe(2);
    expect(nextCircuit(live([T, trip()]), trip(undefined, 1_000), T)).toMatchObject({
      changed: false,
      circuit: { rev: 1 },
    });
  });
});

describe("alerts of several monitors", () => {
  const of = (monitor: string, transition: string, at: number): readonly [string, AlertMark] => [
    monitor,
    { cycle: "c", transition, event: `${at}`, at },
  ];
  /** What becomes of the last event. */
  const lastOf = (...events: readonly (readonly [at: number, event: CircuitEvent])[]): string => {
    const [at, event] = events.at(-1)!;
    return nextCircuit(live(...events.slice(0, -1)), event, at).why;
  };

  test.each<[string, readonly [string, AlertMark] | undefined, string]>([
    ["none", undefined, "shortened"],
    ["one that alerts", of("2", "Triggered", T), "another monitor alerts"],
    [
      "one that alerted as long before as a webhook may be late",
      of("2", "Triggered", T - 600_000),
      "another monitor alerts",
    ],
    ["one that alerted longer before, for another opening", of("2", "Triggered", T - 600_001), "shortened"],
    ["one that recovered", of("2", "Recovered", T), "shortened"],
  ])("the first to recover closes it sooner, beside %s", (_name, other, why) => {
    const first: [number, CircuitEvent] = [T, trip(of("1", "Triggered", T))];
    const second: [number, CircuitEvent][] =
      other === undefined ? [] : [[T, other[1].transition === "Recovered" ? recover(other) : trip(other)]];
    expect(lastOf(first, ...second, [T + 1_000, recover(of("1", "Recovered", T + 1_000))])).toBe(why);
  });

  test("a recovery holds it for a minute from now, and not beyond what others asked for", () => {
    const recovered = live([T, trip(of("1", "Triggered", T))], [T + 5_000, recover(of("1", "Recovered", T + 5_000))]);
    expect(recovered).toMatchObject({ state: "open", until: T + 5_000 + 60_000 });
    const asked = live(
      [T, trip(of("1", "Triggered", T))],
      [T, trip(undefined, 200_000)],
      [T + 5_000, recover(of("1", "Recovered", T + 5_000))],
    );
    expect(asked).toMatchObject({ until: T + 200_000 });
  });

  test("the twenty newest are remembered: what was seen of them changes nothing again", () => {
    const count = 22;
    const marks = Array.from({ length: count }, (_, index) =>
      of(`${index}`, "Triggered", T - 1_000 * ((index * 7) % count)),
    );
    const full = live(...marks.map((mark): [number, CircuitEvent] => [T, trip(mark)]));
    expect(Object.keys(full.alerts)).toHaveLength(20);
    const taken = marks
      .filter((mark) => nextCircuit(full, trip(mark), T).changed)
      .map(([, { at }]) => (T - at) / 1_000);
    expect(taken.sort((a, b) => a - b)).toEqual([20, 21]);
  });

  test("one called like a member of every object is one like others", () => {
    expect(lastOf([T, trip(of("constructor", "Triggered", T))])).toBe("tripped");
  });
});

test("a circuit tries three calls, for a minute", () => {
  expect([PROBES, PROBING_MS, HOLD_MS]).toEqual([3, 60_000, 60_000]);
});
