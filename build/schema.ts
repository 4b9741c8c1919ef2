import { readFileSync, writeFileSync } from "node:fs";
import { generated } from "./generated.ts";

/** Writes what is derived from the configuration's schema; `npm run build` runs it first. */
for (const { path, text } of generated()) if (readFileSync(path, "utf8") !== text) writeFileSync(path, text);
