import { inspect } from "node:util";
import { expect, test } from "vitest";
import { createClassMethods, stateOf } from "../../../../src/meter/transports/bodies/class-methods.ts";

class Door {
  name: string;
  constructor(name: string) {
    this.name = name;
  }
  open(by: string): string {
    return `${this.name} opened by ${by}`;
  }
}

class Gate extends Door {
  override open(by: string): string {
    return `gate: ${super.open(by)}`;
  }
}

const methods = createClassMethods<{ readonly calls: string[] }>((base) => ({
  open(this: Door, by: string): string {
    stateOf<{ readonly calls: string[] }>(this)?.calls.push(by);
    return (base as Door).open.call(this, by);
  },
}));

test.each([Door, Gate])("the methods of %o see each call, and end in the class's own", (Kind) => {
  const [seen, bare] = [new Kind("a"), new Kind("a")];
  const calls: string[] = [];
  methods.give(seen, { calls });

  expect(seen.open("me")).toBe(bare.open("me"));
  expect(new Proxy(seen, {}).open("proxy")).toBe(bare.open("proxy"));
  expect(new Kind("b").open("other")).toContain("b opened by other");
  expect(calls).toEqual(["me", "proxy"]);
});

test("no listing shows them, and what is taken back is as before", () => {
  const [door, bare] = [new Door("a"), new Door("a")];
  methods.give(door, { calls: [] });
  const { open } = door;
  const shown = (one: Door) => [
    Object.getOwnPropertyNames(one),
    JSON.stringify(one),
    inspect(one),
    one.constructor,
    [one.open.name, one.open.length],
  ];
  expect(shown(door)).toEqual(shown(bare));

  methods.takeBack(door);
  methods.takeBack(bare);
  expect(Object.getPrototypeOf(door)).toBe(Door.prototype);
  expect(open.call(door, "who kept it")).toBe("a opened by who kept it");
  methods.give(door, { calls: [] });
  expect(door.open).toBe(open);
});
