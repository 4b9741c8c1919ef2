import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { SpendfuseError } from "../core/errors.ts";
import { PACKAGE_ROOT } from "../package/root.ts";

/** A dashboard or a monitor: the body that Datadog's API takes, from a file. */
export interface Asset {
  readonly kind: "dashboard" | "monitor";
  /** The file's name without `.json`; its key in an account. */
  readonly name: string;
  readonly file: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const FOLDERS = { dashboard: "dashboards", monitor: "monitors" } as const;

/** The dashboards and monitors of a folder that holds `dashboards/` and `monitors/`: ours, when none is given. */
export function readAssets(folder: string = PACKAGE_ROOT): readonly Asset[] {
  return (["dashboard", "monitor"] as const).flatMap((kind) => {
    const place = join(folder, FOLDERS[kind]);
    return listJson(place).map((file) => readAsset(kind, file));
  });
}

function listJson(folder: string): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => join(folder, name));
}

/** @throws SpendfuseError `SPENDFUSE_USAGE` when the file is not one JSON object. */
export function readAsset(kind: Asset["kind"], file: string): Asset {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SpendfuseError(
      "SPENDFUSE_USAGE",
      `${file} cannot be read: ${why}; it must be a readable JSON file`,
      { file },
      cause,
    );
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new SpendfuseError("SPENDFUSE_USAGE", `${file} must hold one JSON object`, { file });
  return { kind, name: basename(file, ".json"), file, json: json as Record<string, unknown> };
}
