import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAssets } from "../../src/datadog/assets.ts";

/**
 * A folder with all that we ship, but of dashboards the one widget with the shortest JSON: Datadog's client takes most of a
 * second to read a whole one. The caller removes it.
 */
export function writeSmallAssets(): string {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-assets-"));
  for (const { kind, name, json } of readAssets()) {
    const place = join(folder, `${kind}s`);
    mkdirSync(place, { recursive: true });
    const small = kind === "dashboard" ? { ...json, widgets: [shortest(json.widgets as unknown[])] } : json;
    writeFileSync(join(place, `${name}.json`), JSON.stringify(small));
  }
  return folder;
}

function shortest(widgets: readonly unknown[]): unknown {
  return widgets.toSorted((one, other) => JSON.stringify(one).length - JSON.stringify(other).length)[0];
}
