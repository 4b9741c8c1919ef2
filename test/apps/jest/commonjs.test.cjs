// Jest's default: CommonJS in a realm of its own, without `import()`.
const { default: OpenAI } = require("openai");
const spendfuse = require("spendfuse");
const spend = require("./spend.cjs");

test("a required spendfuse meters the calls of the test", () => spend(spendfuse, OpenAI));
