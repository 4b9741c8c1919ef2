import { once } from "node:events";
import { Agent } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ASK, addressOf, attempt, message, opened } from "./sockets.mjs";

/** An event of Node's kind, as text. */
const shown = (value) => {
  if (Buffer.isBuffer(value)) return value.length > 120 ? `${value.length} bytes` : value.toString();
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Error) return `${value.name} ${value.code} ${value.message}`;
  if (typeof value === "object" && value !== null) return value.constructor.name;
  return value;
};
const EVENTS = ["open", "upgrade", "message", "ping", "pong", "error", "close", "unexpected-response", "redirect"];

const closing = (socket) => new Promise((resolve) => socket.once("close", resolve));

/** Adds each event of Node's kind with its arguments. */
function listen(socket, seen = [], events = EVENTS) {
  for (const event of events) socket.on(event, (...args) => seen.push([event, ...args.map(shown)]));
  return { seen, closed: closing(socket) };
}

/** What the `ws` package has beside the standard's class. */
export function packageBehaviours({ WebSocket, WebSocketServer, createWebSocketStream }, url, major) {
  const list = [];
  const add = (name, calls, run, from = 7) => major >= from && list.push({ name, calls, run });
  const at = (name) => addressOf(url, name);
  const ok = ["completed"];
  const canceled = ["canceled"];
  const failed = ["failed"];
  const open = async (name, run, options, events) => {
    const socket = new WebSocket(at(name), options);
    const { seen, closed } = listen(socket, [], events);
    // With a listener for the answer of a failed handshake, ending that is the app's.
    if ((await opened(socket)) === "open") await run(socket, seen);
    await closed;
    return seen;
  };
  const done = (socket) => message(socket, "response.done");
  const asking = (name, options) => () =>
    open(
      name,
      async (socket) => {
        socket.send(ASK);
        await done(socket);
        socket.close();
      },
      options,
      EVENTS.slice(0, 7),
    );
  const untilClosed = (name, options) => () => open(name, (socket) => socket.send(ASK), options, EVENTS.slice(0, 7));

  // Events of Node's kind.
  add("events of a response", ok, asking("echo"));
  add("events among pings", ok, asking("pings"));
  add("events of fragments", ok, asking("fragments"));
  add("events of a broken frame", failed, untilClosed("no-utf8"));
  add("events of a cut", failed, untilClosed("cut"));
  add("events of a close", failed, untilClosed("leaving"));
  add("events: once, prepended, removed, and their counts", ok, () =>
    open("echo", async (socket, seen) => {
      const gone = () => seen.push("gone");
      socket.once("message", () => seen.push("once"));
      socket.prependListener("message", () => seen.push("before"));
      socket.on("message", gone);
      socket.off("message", gone);
      seen.push([socket.listenerCount("message"), socket.eventNames().map(String)]);
      seen.push([socket.rawListeners("close").length, socket.getMaxListeners()]);
      socket.send(ASK);
      await done(socket);
      seen.push(socket.listenerCount("message"));
      socket.close();
    }),
  );
  add("events: once, of node:events", ok, () =>
    open("echo", async (socket, seen) => {
      socket.send(ASK);
      const first = await once(socket, "message");
      if (socket.readyState === 1) await Promise.race([done(socket), sleep(60)]);
      socket.close();
      await closing(socket);
      seen.push(["first", ...first.map(shown)]);
    }),
  );
  add("events: the app's own", [], () =>
    open("echo", (socket, seen) => {
      socket.on("mine", (...args) => seen.push(["mine", ...args]));
      seen.push([socket.emit("mine", 1, 2), socket.emit("nobody's")]);
      socket.close();
    }),
  );

  // Pings.
  add("ping and pong with their arguments", [], () =>
    open("echo", async (socket, seen) => {
      const called = [];
      socket.ping();
      socket.ping("text");
      socket.ping(7, true, (error) => called.push(`ping ${error}`));
      socket.pong("pong", (error) => called.push(`pong ${error}`));
      socket.ping(Buffer.from([1, 2]), false, (error) => called.push(`bytes ${error}`));
      attempt(seen, () => socket.ping("x".repeat(126)));
      await sleep(60);
      seen.push(called);
      socket.close();
    }),
  );
  add("ping before it is open, and after it", [], async () => {
    const socket = new WebSocket(at("echo"));
    const { seen, closed } = listen(socket);
    attempt(seen, () => socket.ping());
    attempt(seen, () => socket.pong());
    await opened(socket);
    socket.close();
    socket.ping("late", (error) => seen.push(`called ${error?.message}`));
    await closed;
    attempt(seen, () => socket.ping());
    socket.pong("late", (error) => seen.push(`called ${error?.message}`));
    await sleep(10);
    return seen;
  });
  add("ping in a response", ok, () =>
    open("echo", async (socket) => {
      socket.send(ASK);
      socket.ping("during");
      await Promise.all([done(socket), once(socket, "pong")]);
      socket.close();
    }),
  );
  add("autoPong off", ok, asking("pings", { autoPong: false }), 8);

  // pause() and terminate().
  add(
    "pause and resume",
    ok,
    () =>
      open("echo", async (socket, seen) => {
        seen.push(socket.isPaused);
        socket.pause();
        socket.pause();
        seen.push(socket.isPaused);
        socket.send(ASK);
        await sleep(40);
        seen.push("resumes");
        socket.resume();
        seen.push(socket.isPaused);
        await done(socket);
        socket.close();
      }),
    8,
  );
  add(
    "pause by each message",
    ok,
    () =>
      open("big", async (socket) => {
        socket.on("message", () => {
          socket.pause();
          setTimeout(() => socket.resume(), 1);
        });
        socket.send(ASK);
        await done(socket);
        socket.close();
      }),
    8,
  );
  add(
    "pause, then closed by the vendor",
    ok,
    () =>
      open("finished", async (socket, seen) => {
        socket.pause();
        socket.send(ASK);
        await sleep(40);
        seen.push("resumes");
        socket.resume();
      }),
    8,
  );
  add(
    "pause before it is open",
    [],
    async () => {
      const socket = new WebSocket(at("echo"));
      const { seen, closed } = listen(socket);
      attempt(seen, () => socket.pause());
      seen.push(socket.isPaused);
      await opened(socket);
      socket.close();
      await closed;
      attempt(seen, () => socket.resume());
      return seen;
    },
    8,
  );
  add("terminate in a response", canceled, () =>
    open("hanging", async (socket, seen) => {
      socket.send(ASK);
      await message(socket, "delta");
      attempt(seen, () => socket.terminate());
      seen.push(socket.readyState);
      attempt(seen, () => socket.terminate());
    }),
  );
  add("terminate before it is open", [], async () => {
    const socket = new WebSocket(at("echo"));
    const { seen, closed } = listen(socket);
    attempt(seen, () => socket.terminate());
    seen.push(socket.readyState);
    await closed;
    attempt(seen, () => socket.terminate());
    return seen;
  });
  add("terminate while the handshake hangs", [], async () => {
    const socket = new WebSocket(at("never"));
    const { seen, closed } = listen(socket);
    await sleep(60);
    socket.terminate();
    await closed;
    return seen;
  });
  add("terminate after a close", canceled, () =>
    open("hanging", async (socket, seen) => {
      socket.send(ASK);
      await message(socket, "delta");
      socket.close(1000, "a");
      socket.terminate();
      seen.push(socket.readyState);
    }),
  );

  // send() with its options.
  add("send: callbacks", ok, () =>
    open("echo", async (socket, seen) => {
      const called = [];
      await new Promise((resolve) => socket.send("a", resolve));
      socket.send("b", { binary: true }, (error) => called.push(`b ${error}`));
      socket.send(ASK, {}, (error) => called.push(`ask ${error}`));
      socket.send("c", undefined, (error) => called.push(`c ${error}`));
      await done(socket);
      await sleep(20);
      seen.push(called);
      socket.close();
      socket.send("d", (error) => seen.push(`d ${error?.message}`));
    }),
  );
  add("send: in fragments", [], () =>
    open("echo", async (socket) => {
      const last = message(socket, "three");
      socket.send("one ", { fin: false });
      socket.send("two ", { fin: false });
      socket.send("three", { fin: true });
      await last;
      socket.close();
    }),
  );
  add("send: without a mask", [], () =>
    open("echo", async (socket) => {
      const last = message(socket, "bare");
      socket.send("bare", { mask: false });
      await last;
      socket.close();
    }),
  );
  add("send: deflated", ok, () =>
    open(
      "deflate",
      async (socket, seen) => {
        const last = message(socket, "plain");
        socket.send(ASK, { compress: true });
        socket.send("x".repeat(3000), (error) => seen.push(`long ${error}`));
        socket.send("plain", { compress: false });
        await last;
        socket.close();
      },
      { perMessageDeflate: { threshold: 0 } },
    ),
  );
  add("send: much, with backpressure", ok, () =>
    open("echo", async (socket, seen) => {
      const text = "x".repeat(60_000);
      let sent = 0;
      for (let n = 0; n < 20; n += 1) socket.send(text, () => (sent += 1));
      seen.push(socket.bufferedAmount > 0);
      await new Promise((resolve) => socket.send(ASK, resolve));
      await done(socket);
      seen.push([sent, socket.bufferedAmount]);
      socket.close();
    }),
  );
  add("send: what it is called with", [], () =>
    open("echo", async (socket, seen) => {
      for (const data of [undefined, {}, [1, 2], Symbol.iterator, true]) attempt(seen, () => socket.send(data));
      await sleep(20);
      socket.close();
    }),
  );
  for (const type of ["nodebuffer", "fragments", "arraybuffer", "blob"]) {
    add(`binaryType: ${type}`, ok, async () => {
      const live = "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
      const socket = new WebSocket(`${url}/live/${live}`);
      const { seen, closed } = listen(socket);
      attempt(seen, () => {
        socket.binaryType = type;
        return socket.binaryType;
      });
      if ((await opened(socket)) === "open") {
        socket.send('{"clientContent":{"turns":[{"role":"user","parts":[{"text":"Hi"}]}],"turnComplete":true}}');
        await message(socket, "turnComplete");
        socket.close();
      }
      await closed;
      return seen;
    });
  }

  addHandshakes(WebSocket, url, add);
  addLimits(WebSocket, createWebSocketStream, untilClosed, asking, add);
  addServer(WebSocket, WebSocketServer, add);
  return list;
}

function addHandshakes(WebSocket, url, add) {
  const at = (name) => addressOf(url, name);
  const ok = ["completed"];
  const briefly = (name, options, protocols) => async () => {
    const socket = new WebSocket(at(name), protocols ?? [], options);
    const { seen, closed } = listen(
      socket,
      [],
      EVENTS.filter((event) => event !== "unexpected-response"),
    );
    await opened(socket);
    socket.close();
    await closed;
    return seen;
  };
  add("handshake: its answer", [], async () => {
    const socket = new WebSocket(at("refused"));
    const seen = [];
    socket.on("error", (error) => seen.push(shown(error)));
    const closed = closing(socket);
    socket.on("unexpected-response", async (request, response) => {
      seen.push([request.path.split("?")[0], response.statusCode, response.headers["x-why"]]);
      seen.push(Buffer.concat(await response.toArray()).toString());
      request.destroy();
      socket.terminate();
    });
    await closed;
    return seen;
  });
  add("handshake: headers of the answer", [], async () => {
    const socket = new WebSocket(at("echo"));
    const seen = [];
    socket.on("error", (error) => seen.push(shown(error)));
    socket.on("upgrade", ({ headers, statusCode }) =>
      seen.push([statusCode, headers["x-request-id"], headers["set-cookie"]]),
    );
    const closed = closing(socket);
    await opened(socket);
    socket.close();
    await closed;
    return seen;
  });
  add(
    "handshake: headers and origin",
    [],
    briefly("echo", { headers: { "x-mine": "1", "X-List": ["a", "b"] }, origin: "http://here" }),
  );
  add("handshake: auth", [], briefly("echo", { auth: "user:word" }));
  add("handshake: an older version", [], briefly("echo", { protocolVersion: 8 }));
  add("handshake: no deflating", [], briefly("deflate", { perMessageDeflate: false }));
  add(
    "handshake: deflating with options",
    [],
    briefly("deflate", { perMessageDeflate: { clientMaxWindowBits: 10, serverNoContextTakeover: true } }),
  );
  add("handshake: its time", [], briefly("never", { handshakeTimeout: 80 }));
  add("handshake: redirects", [], briefly("moved", { followRedirects: true }));
  add("handshake: a redirect that is not followed", [], briefly("moved", {}));
  add("handshake: too many redirects", [], briefly("moved", { followRedirects: true, maxRedirects: 0 }));
  add("handshake: a redirect elsewhere", [], briefly("moved-away", { followRedirects: true }));
  add("handshake: an agent", [], briefly("echo", { agent: new Agent({ keepAlive: true }) }));
  add(
    "handshake: a connection of the app's",
    [],
    briefly("echo", {
      createConnection: ({ host, port }) => connect(port, host),
    }),
  );
  add(
    "handshake: finished by the app",
    ok,
    async () => {
      const seen = [];
      const socket = new WebSocket(at("finished"), {
        finishRequest: (request) => {
          seen.push(request.getHeader("upgrade"));
          request.setHeader("x-late", "1");
          request.end();
        },
      });
      const { closed } = listen(socket, seen);
      if ((await opened(socket)) === "open") socket.send(ASK);
      await closed;
      return seen;
    },
    8,
  );
  for (const options of [{ protocolVersion: 1000 }, { headers: { "x-bad": "a\nb" } }]) {
    add(`handshake: wrong options ${JSON.stringify(options)}`, null, async () => {
      const seen = [];
      let socket;
      attempt(seen, () => {
        socket = new WebSocket(at("echo"), options);
        return "socket";
      });
      if (socket === undefined) return seen;
      const { closed } = listen(socket, seen);
      await opened(socket);
      socket.close();
      await closed;
      return seen;
    });
  }
}

function addLimits(WebSocket, createWebSocketStream, untilClosed, asking, add) {
  add("limits: maxPayload", ["failed"], untilClosed("oversized", { maxPayload: 2_000 }));
  add("limits: maxPayload of what is deflated", ["failed"], untilClosed("deflate-bomb", { maxPayload: 10_000 }));
  add("limits: without the check of UTF-8", null, () => {
    const run = untilClosed("no-utf8", { skipUTF8Validation: true });
    return Promise.race([run(), sleep(100, "stays open", { ref: false })]);
  });
  add(
    "limits: events in one turn or in several",
    ["completed"],
    asking("joined", { allowSynchronousEvents: false }),
    8,
  );
  add("stream", ["completed"], async () => {
    const socket = new WebSocket(addressOf(process.env.VENDOR.replace("http:", "ws:"), "finished"));
    const duplex = createWebSocketStream(socket, { encoding: "utf8" });
    const seen = [];
    duplex.on("error", (error) => seen.push(shown(error)));
    duplex.write(ASK);
    await new Promise((resolve) => {
      duplex.on("data", (chunk) => seen.push(chunk));
      duplex.on("end", () => duplex.end());
      duplex.on("close", resolve);
    });
    return seen;
  });
  add("stream: destroyed", ["canceled"], async () => {
    const socket = new WebSocket(addressOf(process.env.VENDOR.replace("http:", "ws:"), "hanging"));
    const duplex = createWebSocketStream(socket);
    const seen = [];
    duplex.on("error", (error) => seen.push(shown(error)));
    socket.on("close", (code) => seen.push(code));
    duplex.write(ASK);
    let size = 0;
    await new Promise((resolve) => {
      duplex.on("data", (chunk) => {
        size += chunk.length;
        if (size > 150) duplex.destroy();
      });
      duplex.on("close", resolve);
    });
    return seen;
  });
  add("what it looks like", [], async () => {
    const socket = new WebSocket(addressOf(process.env.VENDOR.replace("http:", "ws:"), "echo"));
    const { closed } = listen(socket);
    await opened(socket);
    const looks = ["send", "close", "terminate", "emit", "ping", "pause", "on"].map((name) => [
      name,
      socket[name]?.name,
      socket[name]?.length,
    ]);
    looks.push(Object.keys(socket).sort(), socket instanceof WebSocket, socket.constructor === WebSocket);
    looks.push(
      Object.entries(Object.getOwnPropertyDescriptors(WebSocket.prototype)).map(([key, { writable, enumerable }]) => [
        key,
        writable,
        enumerable,
      ]),
    );
    socket.close();
    await closed;
    return looks;
  });
}

/** The app's own server at the path of a model: nothing of it is metered, whoever connects. */
function addServer(WebSocket, WebSocketServer, add) {
  const serving = (options, run) => async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
    const seen = [];
    await once(server, "listening");
    const address = `ws://127.0.0.1:${server.address().port}/elsewhere`;
    try {
      await run(server, address, seen);
    } finally {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    }
    return seen;
  };
  add(
    "server: echo",
    [],
    serving({}, async (server, address, seen) => {
      server.on("connection", (socket, request) => {
        seen.push(["connection", request.url, server.clients.size]);
        socket.on("message", (data, ...rest) => {
          seen.push(["got", shown(Buffer.from(data)), ...rest]);
          socket.send(data);
        });
        socket.on("ping", () => seen.push("pinged"));
        socket.on("close", (code) => seen.push(["gone", code]));
      });
      const client = new WebSocket(address);
      await once(client, "open");
      client.ping();
      client.send(ASK);
      seen.push((await once(client, "message")).map(shown));
      client.close(3000);
      await once(client, "close");
      await sleep(10);
    }),
  );
  add(
    "server: verifyClient",
    [],
    serving({ verifyClient: (_, done) => done(false, 402, "no") }, async (_, address, seen) => {
      const client = new WebSocket(address);
      const [error] = await once(client, "error");
      seen.push(shown(error));
    }),
  );
  add(
    "server: handleProtocols",
    [],
    serving({ handleProtocols: (offered) => [...offered].at(-1) }, async (_, address, seen) => {
      const client = new WebSocket(address, ["a", "b"]);
      await once(client, "open");
      seen.push(client.protocol);
    }),
  );
  add(
    "server: its path",
    [],
    serving({ path: "/only" }, async (_, address, seen) => {
      const client = new WebSocket(address);
      const [error] = await once(client, "error");
      seen.push(shown(error));
    }),
  );
  add(
    "server: deflating",
    [],
    serving({ perMessageDeflate: { threshold: 0 } }, async (server, address, seen) => {
      server.on("connection", (socket) => socket.send("x".repeat(2_000)));
      const client = new WebSocket(address);
      const [data] = await once(client, "message");
      seen.push([String(data).length, client.extensions]);
    }),
  );
  add(
    "server: maxPayload",
    [],
    serving({ maxPayload: 10 }, async (server, address, seen) => {
      server.on("connection", (socket) => socket.on("error", (error) => seen.push(shown(error))));
      const client = new WebSocket(address);
      await once(client, "open");
      client.send("x".repeat(11));
      seen.push((await once(client, "close")).map(shown));
    }),
  );
}
