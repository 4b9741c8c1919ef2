import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAssets } from "../../src/datadog/assets.ts";

/**
 * A folder with all that we ship, but dashboards of one widget each: Datadog's client takes most of a second to read a
 * whole one. The caller removes it.
 */
export function writeSmallAssets(): string {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-assets-"));
  for (const { kind, name, json } of readAssets()) {
    const place = join(folder, `${kind}s`);
    mkdirSync(place, { recursive: true });
    const small = kind === "dashboard" ? { ...json, widgets: (json.widgets as unknown[]).slice(0, 1) } : json;
    writeFileSync(join(place, `${name}.json`), JSON.stringify(small));
  }
  return folder;
}
