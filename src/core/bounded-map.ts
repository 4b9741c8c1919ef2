/** A Map or a Set whose keys come from requests and responses, so that its size must be bounded. */
interface Bounded<K> {
  readonly size: number;
  keys(): IterableIterator<K>;
  delete(key: K): boolean;
}

/** Sets a value of a key that is not there yet. A full map first drops the oldest tenth of its keys. */
export function setBounded<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  if (map.size >= max) evictOldest(map, max);
  map.set(key, value);
}

/**
 * Drops the oldest tenth of `max` keys. A tenth at a time, because finding the oldest walks over all that was deleted
 * before it: thousands of steps for each new key.
 */
export function evictOldest<K>(keys: Bounded<K>, max: number): void {
  let left = Math.ceil(max / 10);
  for (const key of keys.keys()) {
    keys.delete(key);
    left -= 1;
    if (left === 0) return;
  }
}
