import { createRequire } from "node:module";
import { globalBehaviours } from "./global.mjs";
import { packageBehaviours } from "./package.mjs";
import { loadOurs, runBehaviours } from "./run.mjs";
import { standardBehaviours } from "./standard.mjs";

/** Plays what WebSockets document, bare, metered, held before each call, or refused; writes what was seen. */
const [mode, library] = process.argv.slice(2);
const loaded = library === "global" ? undefined : load(createRequire(import.meta.url)(library));
const Socket = loaded?.WebSocket ?? globalThis.WebSocket;
const metering = await loadOurs(mode);
const url = process.env.VENDOR.replace("http:", "ws:");
const list = [
  ...standardBehaviours(Socket, url),
  ...(loaded ? packageBehaviours(loaded, url, Number(library.slice(3))) : globalBehaviours(Socket, url)),
];
const warmUp = () =>
  new Promise((resolve) => {
    const socket = new Socket(`${url}/finished/v1/realtime?model=gpt-realtime`);
    socket.addEventListener("open", () => socket.send('{"type":"response.create"}'));
    socket.addEventListener("error", resolve);
    // A refusal, where the check took too long for the handshake.
    socket.addEventListener("message", ({ data }) => data.includes('"error"') && socket.close());
    socket.addEventListener("close", resolve);
  });

/** Of both majors: 7 has its parts as members of its class alone. */
function load(WebSocket) {
  const { Server: WebSocketServer, createWebSocketStream } = WebSocket;
  return { WebSocket, WebSocketServer, createWebSocketStream };
}

await runBehaviours(list, metering, warmUp);
