// Preloaded before spendfuse: what an example sends to OpenAI goes to the server of the test.
const network = globalThis.fetch;
const vendor = process.env.TEST_VENDOR_URL;

globalThis.fetch = (input, init) => {
  const { host, pathname, search } = new URL(input instanceof Request ? input.url : input);
  if (host !== "api.openai.com") return network(input, init);
  const url = vendor + pathname + search;
  return network(input instanceof Request ? new Request(url, input) : url, init);
};
