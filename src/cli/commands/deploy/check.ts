import type * as Datadog from "@datadog/datadog-api-client";
import type { Asset } from "../../../datadog/assets.ts";
import { findClient } from "../../../datadog/client.ts";
import { type Finding, lintAssets } from "../../../datadog/lint.ts";
import { checkTypes } from "../../../datadog/typed.ts";

/**
 * Checks the files, without an account. Returns the exit code.
 * @param own Whether they are ours, which keep our style and are read with the client's types. Files of others are only
 *   checked for what Datadog would refuse: it takes more than the client knows.
 */
export async function checkAssets(assets: readonly Asset[], own: boolean, json: boolean): Promise<number> {
  const client: typeof Datadog | undefined = own ? await findClient("spendfuse deploy --check") : undefined;
  const typed = client === undefined ? [] : assets.flatMap((asset) => checkTypes(asset, client.v1));
  const findings: readonly Finding[] = [...lintAssets(assets, own), ...typed];
  if (json) console.log(JSON.stringify({ findings, typed: client !== undefined }));
  else {
    for (const { file, path, message, lint } of findings) console.log(`${file} ${path}: ${message} (${lint})`);
    const files = `${assets.length} files`;
    console.log(findings.length === 0 ? `✓ ${files}, nothing found` : `✗ ${files}, ${findings.length} found`);
    if (own && client === undefined)
      console.log("not compared with Datadog's own types; for that too: npm install @datadog/datadog-api-client");
  }
  return findings.length === 0 ? 0 : 1;
}
