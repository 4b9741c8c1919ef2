/** Every transport, one line each. */
export { childProcess } from "./child-process.ts";
export { fetch } from "./fetch.ts";
export { http2 } from "./http2.ts";
export { nodeHttp } from "./node-http.ts";
export { undici } from "./undici.ts";
export { websocket } from "./websocket.ts";
