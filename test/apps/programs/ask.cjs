/** Two model calls with plain fetch: one whole, one stream read to its end. What every program here spends. */
module.exports = async function ask() {
  for (const stream of [false, true]) {
    const response = await fetch(`${process.env.MODEL_URL}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer sk-test" },
      body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Hi" }], stream }),
    });
    const text = await response.text();
    if (!text.includes(stream ? "[DONE]" : "Hello")) throw new Error(`The model answered ${response.status} ${text}`);
  }
};
