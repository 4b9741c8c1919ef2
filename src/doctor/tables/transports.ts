/** A way to the network beside the global fetch. It is of interest in a source that names a model's host. */
export interface Transport {
  /** As it is imported. */
  readonly names: readonly string[];
  readonly says: string;
  readonly fix: string;
  /** The instance of `meter/transports/` that would see it; with that one the row goes. */
  readonly transport: string;
  /** In the sources: it goes through fetch all the same, or through us. */
  readonly seen?: RegExp;
}

const UNSEEN =
  "does not go through the global fetch: spendfuse.unmetered_calls counts its requests, nothing prices them";
const WRAPPED = /\bwrapFetch\s*\(/;
const PLAIN = 'const answer = await fetch(url, { method: "POST", headers, body })';

export const TRANSPORTS: readonly Transport[] = [
  {
    names: ["axios"],
    says: `axios ${UNSEEN}`,
    fix: 'axios.create({ adapter: "fetch" })',
    transport: "node-http",
    seen: /\badapter\s*:/,
  },
  {
    names: ["undici"],
    says: `the undici package ${UNSEEN}`,
    fix: "const metered = wrapFetch(undici.fetch)",
    transport: "undici",
    seen: WRAPPED,
  },
  {
    names: ["node-fetch"],
    says: `node-fetch ${UNSEEN}`,
    fix: "const metered = wrapFetch(nodeFetch)",
    transport: "node-http",
    seen: WRAPPED,
  },
  { names: ["got"], says: `got ${UNSEEN}`, fix: PLAIN, transport: "node-http" },
  { names: ["ws"], says: `ws ${UNSEEN}`, fix: PLAIN, transport: "websocket" },
  {
    names: ["node:https", "https", "node:http", "http"],
    says: `Node's own client ${UNSEEN}`,
    fix: PLAIN,
    transport: "node-http",
  },
  { names: ["node:http2", "http2"], says: `Node's own client ${UNSEEN}`, fix: PLAIN, transport: "http2" },
];
