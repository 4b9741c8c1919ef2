import { describe, expect, test } from "vitest";
import { simulatedClock } from "../../src/sandbox/clock.ts";

describe("a simulated clock that changes its pace", () => {
  /** Began at the real second 100,000, at 50,000 of its own. */
  function start(speed: number) {
    const real = { now: 100_000 };
    return { real, clock: simulatedClock(50_000, speed, () => real.now) };
  }

  test("goes on from where it was, at the new speed", () => {
    const { real, clock } = start(60);
    real.now += 10;
    expect(clock.now()).toBe(50_600);
    clock.pace(1);
    expect([clock.now(), clock.speed]).toEqual([50_600, 1]);
    real.now += 5;
    expect(clock.now()).toBe(50_605);
    clock.pace(60);
    real.now += 2;
    expect(clock.now()).toBe(50_725);
  });

  test("says what time it was at moments of earlier paces, and of none", () => {
    const { real, clock } = start(60);
    real.now += 10;
    clock.pace(1);
    real.now += 10;
    expect(clock.at(100_005)).toBe(50_300);
    expect(clock.at(100_010)).toBe(50_600);
    expect(clock.at(100_015)).toBe(50_605);
    // Of the past before it began.
    expect(clock.at(90_000)).toBe(90_000);
  });

  test("stands, and is advanced, as before", () => {
    const { real, clock } = start(0);
    real.now += 30;
    clock.advance(120);
    expect(clock.now()).toBe(50_120);
    clock.pace(2);
    real.now += 10;
    expect(clock.now()).toBe(50_140);
  });

  test("never passes the real one", () => {
    const { real, clock } = start(60);
    clock.pace(10_000);
    real.now += 10;
    expect(clock.now()).toBe(real.now);
  });
});
