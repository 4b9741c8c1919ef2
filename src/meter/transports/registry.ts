/** Every transport, one line each. */
export { fetch } from "./fetch.ts";
export { nodeHttp } from "./node-http.ts";
