import fc from "fast-check";

/** What parsers stumble over, as JSON can have it. */
const ODD: readonly string[] = [
  ...["null", "true", "0", "-0", "-1", "1.5", "1e300", "-1e300", "1e-300", "1e999", "-1e999", "9007199254740993"],
  ...[
    '""',
    '" "',
    '"-1"',
    '"1e999"',
    '"NaN"',
    '"$VAR"',
    '"\\u0000"',
    '"\\ud800"',
    '"a,b:c"',
    '"__proto__"',
    '"constructor"',
    '"valueOf"',
    '"ä€😀"',
  ],
  ...["[]", "{}", "[null]", "[[]]", '[{"toString":1}]', '{"length":1e9}', '{"then":1}', '{"toString":null}'],
  ...['{"__proto__":{"a":1}}', '{"constructor":1}', '{"hasOwnProperty":0}', `"${"x".repeat(5_000)}"`],
  `${"[".repeat(300)}${"]".repeat(300)}`,
  `${'{"a":'.repeat(1_500)}1${"}".repeat(1_500)}`,
];

/** Any JSON value, odd ones among them. A new object each time: nothing that changes one is noticed by another. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...ODD).map((text) => JSON.parse(text) as unknown),
  fc.jsonValue({ maxDepth: 4 }),
);

/** Text as a sender may write it: often text, sometimes anything. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ unit: "grapheme", maxLength: 50 }),
  fc.constantFrom("", " ", "\0", "\r\n", "\ud800", "%", "%zz", "=", ",", ":", "*", "..", "/", "x".repeat(5_000)),
);

interface Edit {
  /** Chooses the place. */
  readonly at: number;
  readonly kind: "replace" | "delete" | "rename" | "repeat" | "wrap";
  readonly value: unknown;
  readonly name: string;
}

const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("replace", "replace", "replace", "delete", "rename", "repeat", "wrap"),
    value: anyJson,
    name: fc.oneof(fc.constantFrom("", "__proto__", "constructor", "toString", "type", "usage"), fc.string()),
  }),
  { maxLength: 4 },
);

/** One of these JSON values as it is, or with a few of its members changed, dropped, renamed, repeated or wrapped. */
export function mutated(...examples: readonly unknown[]): fc.Arbitrary<unknown> {
  const texts = examples.map((example) => JSON.stringify(example));
  return fc.tuple(fc.constantFrom(...texts), edits).map(([text, wanted]) => {
    const holder = { value: JSON.parse(text) as unknown };
    for (const edit of wanted) apply(holder, edit);
    return holder.value;
  });
}

type Holder = Record<string, unknown> | unknown[];

function apply(root: { value: unknown }, { at, kind, value, name }: Edit): void {
  const places: (readonly [Holder, string])[] = [];
  collect(root, places, 0);
  const [holder, key] = places[at % places.length] as readonly [Holder, string];
  const members = holder as Record<string, unknown>;
  const isRoot = holder === (root as unknown);
  if (kind === "wrap") members[key] = [members[key]];
  else if (kind === "repeat") members[key] = Array.from({ length: 3 }, () => members[key]);
  else if (kind === "replace" || isRoot) members[key] = value;
  else if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else {
    if (kind === "rename") {
      // Not by assignment, which would set the prototype.
      Object.defineProperty(members, name, {
        value: members[key],
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
    if (kind === "delete" || key !== name) delete members[key];
  }
}

function collect(holder: Holder | { value: unknown }, places: (readonly [Holder, string])[], depth: number): void {
  for (const [key, value] of Object.entries(holder)) {
    places.push([holder as Holder, key]);
    if (depth < 20 && typeof value === "object" && value !== null) collect(value as Holder, places, depth + 1);
  }
}

interface Damage {
  readonly at: number;
  readonly kind: "set" | "insert" | "remove" | "repeat" | "cut";
  readonly bytes: Uint8Array;
}

/** One of these byte sequences as it is, or with bytes set, inserted, removed, repeated or cut off. */
export function damaged(...examples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const damage: fc.Arbitrary<Damage> = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("set", "set", "insert", "remove", "repeat", "cut"),
    bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.constantFrom(...SPECIAL)),
  });
  const any = fc.uint8Array({ maxLength: 300 });
  const changed = fc
    .tuple(fc.constantFrom(...examples), fc.array(damage, { maxLength: 4 }))
    .map(([bytes, all]) => all.reduce(harm, new Uint8Array(bytes)));
  return fc.oneof({ weight: 4, arbitrary: changed }, { weight: 1, arbitrary: any });
}

const SPECIAL = ['"', "\\", "\n", "\r\n", "\n\n", "{", "}", "]", ",", "data:", "\0", "\ufeff", "1e999"].map((text) =>
  new TextEncoder().encode(text),
);

function harm(given: Uint8Array, { at, kind, bytes }: Damage): Uint8Array<ArrayBuffer> {
  const before = Buffer.from(given);
  const place = at % (before.length + 1);
  const head = before.subarray(0, place);
  const tail = before.subarray(place);
  switch (kind) {
    case "cut":
      return new Uint8Array(head);
    case "insert":
      return new Uint8Array(Buffer.concat([head, bytes, tail]));
    case "remove":
      return new Uint8Array(Buffer.concat([head, tail.subarray(bytes.length)]));
    case "repeat":
      return new Uint8Array(Buffer.concat([head, tail.subarray(0, 200), tail]));
    case "set":
      return new Uint8Array(Buffer.concat([head, bytes, tail.subarray(bytes.length)]));
  }
}

/** The bytes in chunks that end anywhere. */
export function chunked(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<readonly Uint8Array[]> {
  return fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 12 })).map(([whole, cuts]) => {
    const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
    return [...places, whole.length].map((end, index) => whole.slice(places[index - 1] ?? 0, end));
  });
}
