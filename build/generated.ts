import { readFileSync } from "node:fs";
import * as vendors from "../src/billing/vendors/registry.ts";
import { compiled } from "./compiled-schema.ts";
import { withTables } from "./config-reference.ts";
import { configTypes } from "./config-types.ts";
import { jsonSchema } from "./json-schema.ts";
import { reference as packageReference } from "./reference.ts";

/** Files that are derived from the schema, the names of metrics and the package's entry, each with the text that it must have. */
export function generated(): readonly { readonly path: URL; readonly text: string }[] {
  const reference = at("docs/configuration.md");
  const variables = Object.values(vendors)
    .map(({ urlVariable }) => urlVariable)
    .sort();
  return [
    { path: at("src/core/config-types.ts"), text: configTypes() },
    { path: at("config.schema.json"), text: jsonSchema() },
    { path: reference, text: withTables(readFileSync(reference, "utf8"), variables) },
    { path: at("src/config/compiled.ts"), text: compiled(variables) },
    { path: at("docs/reference.md"), text: packageReference() },
  ];
}

function at(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}
