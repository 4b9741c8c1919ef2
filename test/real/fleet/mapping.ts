import { join } from "node:path";
import { type Program, startProgram } from "./program.ts";

/** What the mapping endpoint calls the machine where it runs. */
export const COLLECTOR_HOST = "collector-host";

/** A point as Datadog's library maps it. */
export interface MappedPoint {
  readonly name: string;
  readonly type: "count" | "gauge" | "rate" | "distribution";
  /** As `key:value`. */
  readonly tags: readonly string[];
  /** The machine that the backend files the point under; no tag. */
  readonly host: string;
  readonly unit: string;
  /** Nanoseconds since 1970. */
  readonly time: number;
  readonly value: number;
}

export interface Mapping extends Program {
  readonly url: string;
  points(name?: string): readonly MappedPoint[];
  /** What Datadog keeps of them: the last of points with equal tags and second. */
  keptPoints(name: string): readonly MappedPoint[];
  /** Their sums by a tag, in units of 1e-9. */
  kept(name: string, by: string): Readonly<Record<string, number>>;
}

/** Starts an endpoint that maps OTLP metrics as Datadog's exporter does. */
export async function startMapping(programs: string, folder: string): Promise<Mapping> {
  const program = await startProgram(join(programs, "mapping"), [], {
    cwd: folder,
    isReady: (output) => output.includes('{"port":'),
  });
  const lines = () => program.output().split("\n").slice(0, -1);
  const { port } = JSON.parse(lines()[0] as string) as { port: number };
  const points = (name?: string): readonly MappedPoint[] =>
    lines()
      .slice(1)
      .map((line) => JSON.parse(line) as MappedPoint)
      .filter((point) => name === undefined || point.name === name);
  const keptPoints = (name: string): readonly MappedPoint[] => keep(points(name));
  const kept = (name: string, by: string) => sumBy(keptPoints(name), ({ tags }) => tagOf(tags, by) ?? "none");
  return { ...program, url: `http://127.0.0.1:${port}`, points, keptPoints, kept };
}

function keep(points: readonly MappedPoint[]): readonly MappedPoint[] {
  const last = new Map<string, MappedPoint>();
  for (const point of points) last.set(JSON.stringify([point.host, point.tags.toSorted(), point.time / 1e9]), point);
  return [...last.values()];
}

/** Sums in units of 1e-9 by what `groupOf` says; what it has no group for is left out. */
export function sumBy(
  points: readonly MappedPoint[],
  groupOf: (point: MappedPoint) => string | undefined,
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const point of points) {
    const group = groupOf(point);
    if (group !== undefined) sums[group] = (sums[group] ?? 0) + Math.round(point.value * 1e9);
  }
  return sums;
}

export function tagOf(tags: readonly string[], key: string): string | undefined {
  return tags.find((tag) => tag.startsWith(`${key}:`))?.slice(key.length + 1);
}
