// Converse with the AWS SDK, which tries again what fails: over HTTP/2, HTTP/1.1 and fetch.
import { writeFileSync } from "node:fs";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const { BEDROCK_URL: endpoint, SEEN } = process.env;
const aws = {
  ...{ region: "us-east-1", endpoint, credentials: { accessKeyId: "a", secretAccessKey: "b" }, maxAttempts: 3 },
  ...(process.argv[2] && { retryMode: process.argv[2] }),
};
const HANDLERS = { "HTTP/2": undefined, "HTTP/1.1": new NodeHttpHandler(), fetch: new FetchHttpHandler() };
const MODELS = ["throttled", "broken", "late", "always"];

const seen = {};
for (const [over, requestHandler] of Object.entries(HANDLERS)) {
  const client = new BedrockRuntimeClient({ ...aws, ...(requestHandler && { requestHandler }) });
  for (const name of MODELS)
    for (const Command of [ConverseCommand, ConverseStreamCommand]) {
      const ask = { modelId: `${name}.${over}`, messages: [{ role: "user", content: [{ text: "Hi" }] }] };
      const key = `${over} ${name}${Command === ConverseStreamCommand ? ", streamed" : ""}`;
      try {
        const { output, stream, $metadata } = await client.send(new Command(ask));
        let text = output?.message.content[0].text ?? "";
        for await (const event of stream ?? []) text += event.contentBlockDelta?.delta?.text ?? "";
        seen[key] = { text, attempts: $metadata.attempts };
      } catch (error) {
        seen[key] = { raised: error.name, attempts: error.$metadata?.attempts };
      }
    }
  client.destroy();
}
writeFileSync(SEEN, JSON.stringify(seen));
