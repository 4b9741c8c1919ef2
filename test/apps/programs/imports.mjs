// An ESM app that uses our API; it is also bundled.
import { flush, onCall, scope, start } from "spendfuse";
import ask from "./ask.cjs";
import report from "./report.cjs";

await start();
const print = report(onCall);
await scope({ agent: process.env.TEST_AGENT }, () => ask());
await flush();
print();
