// Preloaded beside `spendfuse/register`: writes what was metered into a file when the app ends.
import { writeFileSync } from "node:fs";

const { flush, onCall } = await import(process.env.SPENDFUSE_TEST_INDEX);
const calls = [];
onCall((call) => calls.push(call));
process.once("beforeExit", () => flush().then(() => writeFileSync(process.env.COLLECTED, JSON.stringify(calls))));
