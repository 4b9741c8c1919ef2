import { flush, onCall } from "spendfuse";
import report from "./report.cjs";

const print = report(onCall);
process.once("beforeExit", () => flush().then(print));
