/** Datadog writes microseconds and an offset. */
export function iso(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace("Z", "000+00:00");
}
