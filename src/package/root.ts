import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of this package, whether it runs from its sources or as built: where `dashboards/` and the like lie. */
export const PACKAGE_ROOT: string = rootAbove(import.meta.dirname);

function rootAbove(folder: string): string {
  if (existsSync(join(folder, "config.schema.json")) && existsSync(join(folder, "package.json"))) return folder;
  const above = dirname(folder);
  if (above === folder) throw new Error("the package of spendfuse is not complete: config.schema.json is missing");
  return rootAbove(above);
}
