const { flush, onCall } = require("spendfuse");
const print = require("./report.cjs")(onCall);

process.once("beforeExit", () => flush().then(print));
