// A CommonJS app that uses our API; it is also bundled.
const { flush, onCall, scope, start } = require("spendfuse");
const ask = require("./ask.cjs");
const print = require("./report.cjs")(onCall);

start()
  .then(() => scope({ agent: process.env.TEST_AGENT }, () => ask()))
  .then(flush)
  .then(print);
