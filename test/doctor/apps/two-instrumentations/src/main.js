const traceloop = require("@traceloop/node-server-sdk");
const OpenAI = require("openai");
const { scope } = require("spendfuse");

traceloop.initialize({ appName: "writer" });
const client = new OpenAI();
scope({ agent: "writer" }, () => client.responses.create({ model: "gpt-5", input: "What is a fuse?" }));
