// An app in which one part imports us and another requires us: two copies, one meter.
import { createRequire } from "node:module";
import * as imported from "spendfuse";
import ask from "./ask.cjs";
import report from "./report.cjs";

const required = createRequire(import.meta.url)("spendfuse");
if (required.scope === imported.scope) throw new Error("There is only one copy");
await required.start();
await imported.start();
const heard = { imported: 0, required: 0 };
imported.onCall(() => heard.imported++);
required.onCall(() => heard.required++);
const print = report(imported.onCall);
await required.scope({ agent: process.env.TEST_AGENT }, () => ask());
await imported.flush();
if (heard.imported !== 2 || heard.required !== 2) throw new Error(`Heard ${JSON.stringify(heard)}`);
for (const [one, other] of [
  [imported, required],
  [required, imported],
]) {
  const error = new one.SpendfuseError("SPENDFUSE_CONFIG", "wrong");
  if (!other.isSpendfuseError(error)) throw new Error("An error of the other copy is not recognised");
}
print();
