/** One text for a record, whatever the order of its fields: equal texts are equal records. */
export function recordKey(record: Readonly<Record<string, string | number>>): string {
  return JSON.stringify(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** The record that {@link recordKey} wrote. */
export function readRecord<V extends string | number = string>(key: string): Record<string, V> {
  return Object.fromEntries(JSON.parse(key) as readonly (readonly [string, V])[]);
}
