/** The numbers of `v22.15.0`, `22`, `^7.1.0-beta`; undefined when there are none. */
export function readVersion(text: string): readonly [number, number, number] | undefined {
  const found = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return found ? [Number(found[1]), Number(found[2] ?? 0), Number(found[3] ?? 0)] : undefined;
}

/** Whether a version is below another; one that cannot be read is not. */
export function isBelow(version: string, floor: string): boolean {
  const [a, b] = [readVersion(version), readVersion(floor)];
  if (a === undefined || b === undefined) return false;
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && (a[at] as number) < (b[at] as number);
}

/** Whether a version is one of a series such as `7` or `0.19`. */
export function isOf(version: string, series: string): boolean {
  return version === series || version.startsWith(`${series}.`);
}
