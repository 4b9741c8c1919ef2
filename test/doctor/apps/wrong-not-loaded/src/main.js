const OpenAI = require("openai");

// node --import spendfuse/register would meter this.
const client = new OpenAI({ baseURL: "https://llm.example.com/v1" });
client.responses
  .create({ model: "gpt-5", input: "What is a fuse?" })
  .then(({ output_text }) => console.log(output_text));
