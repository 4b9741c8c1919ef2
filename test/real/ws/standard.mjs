import { setTimeout as sleep } from "node:timers/promises";
import { ASK, addressOf, attempt, message, opened, record } from "./sockets.mjs";

const LIVE = "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
const TURN = JSON.stringify({
  clientContent: { turns: [{ role: "user", parts: [{ text: "Hi" }] }], turnComplete: true },
});

/** What both libraries have: the class of the standard. Each with the endings of the calls that are metered in it. */
export function standardBehaviours(Socket, url) {
  const list = [];
  const add = (name, calls, run) => list.push({ name, calls, run });
  const at = (name) => addressOf(url, name);
  const ok = ["completed"];
  const canceled = ["canceled"];
  const failed = ["failed"];

  /** Opens a socket, asks, and lets `then` go on; gives what came, in its order. */
  const asking = (name, then = (socket) => message(socket, "response.done").then(() => socket.close())) =>
    async function run() {
      const socket = new Socket(at(name));
      const { seen, ended } = record(socket);
      if ((await opened(socket)) === "open") {
        socket.send(ASK);
        await then(socket, seen);
      }
      return ended();
    };
  const untilClosed = () => {};

  // How a response may come.
  add("a response", ok, asking("echo"));
  add("a response in one piece", ok, asking("joined"));
  add("a response byte by byte", ok, asking("bytes"));
  add("a response in fragments, with a ping between them", ok, asking("fragments"));
  add("a response among pings", ok, asking("pings"));
  add("a long response", ok, asking("big"));
  add("a deflated response", ok, asking("deflate"));
  add("a response in deflated fragments", ok, asking("deflate-fragments"));
  add("a response that is not deflated where it might be", ok, asking("deflate-plain"));
  add(
    "what is no JSON",
    failed,
    asking("no-json", (socket) => message(socket, "response.done").then(() => socket.close())),
  );
  add("two responses, one after the other", [...ok, ...ok], async () => {
    const socket = new Socket(at("echo"));
    const { ended } = record(socket);
    await opened(socket);
    for (let turn = 0; turn < 2; turn += 1) {
      if (socket.readyState !== 1) break;
      const done = message(socket, "response.done");
      socket.send(ASK);
      await done;
    }
    socket.close();
    return ended();
  });
  for (const type of ["arraybuffer", "blob"]) {
    add(`Live's messages are bytes: ${type}`, ok, async () => {
      const socket = new Socket(`${url}/live/${LIVE}`);
      const { seen, ended } = record(socket);
      attempt(seen, () => {
        socket.binaryType = type;
        return socket.binaryType;
      });
      await opened(socket);
      if (socket.readyState === 1) {
        socket.send(TURN);
        await message(socket, "turnComplete");
      }
      socket.close();
      return ended();
    });
  }

  // How a connection may end.
  add("closed by the vendor in a response", failed, asking("leaving", untilClosed));
  add("closed by the vendor after a response", ok, asking("finished", untilClosed));
  add("closed by the vendor without a code", failed, asking("wordless", untilClosed));
  add("cut in a frame", failed, asking("cut", untilClosed));
  add("reset", failed, asking("reset", untilClosed));
  add(
    "closed in a response",
    canceled,
    asking("hanging", (socket) => message(socket, "delta").then(() => socket.close())),
  );
  add(
    "closed with a code",
    canceled,
    asking("hanging", (socket) => message(socket, "delta").then(() => socket.close(3001, "enough"))),
  );
  add(
    "closed at once after the request",
    canceled,
    asking("silent", (socket) => socket.close()),
  );
  add(
    "closed twice",
    canceled,
    asking("hanging", async (socket, seen) => {
      await message(socket, "delta");
      attempt(seen, () => socket.close(1000, "one"));
      attempt(seen, () => socket.close(1000, "two"));
      seen.push(`state ${socket.readyState}`);
    }),
  );
  add(
    "closed with what is not allowed",
    canceled,
    asking("hanging", async (socket, seen) => {
      await message(socket, "delta");
      for (const args of [[1], [999], [1005], [5000], ["x"], [3000, "x".repeat(124)]])
        attempt(seen, () => socket.close(...args));
      if (socket.readyState === 1) socket.close();
      // Version 7 of the package is left closing without having said so.
      else setTimeout(() => socket.terminate?.(), 60);
    }),
  );
  add("closed before it is open", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    seen.push(`state ${socket.readyState}`);
    attempt(seen, () => socket.close());
    seen.push(`state ${socket.readyState}`);
    return ended();
  });
  add("closed while the handshake hangs", [], async () => {
    const socket = new Socket(at("never"));
    const { ended } = record(socket);
    await sleep(60);
    socket.close();
    return ended();
  });
  add(
    "closed by a listener",
    canceled,
    asking("hanging", (socket) => {
      socket.onmessage = () => socket.close();
    }),
  );

  // Frames that the protocol forbids.
  for (const name of [
    ...["oversized-head", "no-such-opcode", "reserved-bit", "not-negotiated", "masked", "no-utf8", "cut-ping"],
    ...["long-ping", "lone-continuation", "nested-message", "bad-code", "bad-reason", "one-byte-close"],
    ...["deflate-broken", "deflate-cut"],
  ]) {
    add(
      `forbidden: ${name}`,
      name === "deflate-cut" ? canceled : failed,
      asking(name, async (socket) => {
        if (name === "deflate-cut") await sleep(150);
        if (name === "deflate-cut" && socket.readyState === 1) socket.close();
      }),
    );
  }

  // Handshakes that fail.
  for (const name of [
    "refused",
    "limited",
    "no-upgrade",
    "wrong-key",
    "other-upgrade",
    "no-http",
    "hung-up",
    "bad-extension",
  ]) {
    add(`handshake: ${name}`, [], () => record(new Socket(at(name))).ended());
  }
  add("handshake: nobody there", [], () =>
    record(new Socket("ws://127.0.0.1:2/v1/realtime?model=gpt-realtime")).ended(),
  );
  for (const [name, protocols] of [
    ["echo", ["realtime", "openai-insecure-api-key.sk-test"]],
    ["protocol", ["a", "b"]],
    ["echo", "one"],
    ["no-protocol", ["a"]],
    ["other-protocol", ["a"]],
    ["echo", []],
  ]) {
    add(`protocols: ${JSON.stringify(protocols)} at ${name}`, [], async () => {
      const socket = new Socket(at(name), protocols);
      const { seen, ended } = record(socket);
      await opened(socket);
      seen.push(`protocol ${socket.protocol}`);
      socket.close();
      return ended();
    });
  }
  for (const args of [
    [],
    [""],
    ["nowhere"],
    ["ftp://127.0.0.1/"],
    [`${url}/echo#a`],
    [at("echo"), ["a", "a"]],
    [at("echo"), "a b"],
    [at("echo"), [""]],
  ]) {
    add(`constructor: ${JSON.stringify(args).replace(url, "")}`, null, async () => {
      const seen = [];
      let socket;
      attempt(seen, () => {
        socket = new Socket(...args);
        return socket.readyState;
      });
      if (socket === undefined) return seen;
      const { ended } = record(socket, seen);
      await opened(socket);
      socket.close();
      return ended();
    });
  }
  add("constructor: an address as URL", [], async () => {
    const socket = new Socket(new URL(at("echo")));
    const { seen, ended } = record(socket);
    seen.push(socket.url.replace(url, ""));
    await opened(socket);
    socket.close();
    return ended();
  });
  add("constructor: without new", [], async () => {
    const seen = [];
    attempt(seen, () => Socket(at("echo")));
    return seen;
  });

  // What is sent.
  for (const [name, data] of Object.entries({
    text: "hé漢",
    empty: "",
    Buffer: Buffer.from([1, 2, 3]),
    Uint8Array: new Uint8Array([123, 125, 9]),
    "a part of a buffer": new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3),
    ArrayBuffer: new Uint8Array([9, 9]).buffer,
    DataView: new DataView(new Uint8Array([7, 8, 9]).buffer, 1),
    Float32Array: new Float32Array([1.5]),
    number: 7,
    null: null,
    undefined: undefined,
    object: { toString: () => "an object" },
    array: ["a", "b"],
    "long text": "x".repeat(70_000),
    "lone surrogate": "\ud800",
  })) {
    add(`send: ${name}`, [], async () => {
      const socket = new Socket(at("echo"));
      socket.binaryType = "arraybuffer";
      const { seen, ended } = record(socket);
      await opened(socket);
      if (socket.readyState !== 1) return ended();
      attempt(seen, () => socket.send(data));
      const last = message(socket, "the last");
      socket.send("the last");
      await last;
      socket.close();
      return ended();
    });
  }
  add("send: a Blob", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    await opened(socket);
    if (socket.readyState === 1) {
      attempt(seen, () => socket.send(new Blob(["a blob"])));
      const last = message(socket, "the last");
      socket.send("the last");
      await last;
    }
    socket.close();
    return ended();
  });
  add("send: nothing", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    await opened(socket);
    attempt(seen, () => socket.send());
    socket.close();
    return ended();
  });
  add("send: before it is open", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    attempt(seen, () => socket.send(ASK));
    socket.addEventListener("open", () => socket.close());
    return ended();
  });
  add("send: after the close", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    await opened(socket);
    socket.close();
    attempt(seen, () => socket.send(ASK));
    await ended();
    attempt(seen, () => socket.send(ASK));
    return seen;
  });
  add("send: the request as bytes", ok, async () => {
    const socket = new Socket(at("echo"));
    const { ended } = record(socket);
    await opened(socket);
    if (socket.readyState === 1) {
      const done = message(socket, "response.done");
      socket.send(Buffer.from(ASK));
      await done;
    }
    socket.close();
    return ended();
  });
  add("send: much, whose order is kept", ok, async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    await opened(socket);
    if (socket.readyState === 1) {
      const last = message(socket, "the last");
      for (let n = 0; n < 30; n += 1) socket.send(`${n} ${"x".repeat(20_000)}`);
      seen.push(`buffered ${socket.bufferedAmount > 0}`);
      socket.send(ASK);
      socket.send("the last");
      await last;
      seen.push(`buffered ${socket.bufferedAmount}`);
    }
    socket.close();
    return ended();
  });

  addListeners(Socket, at, add);
  return list;
}

/** Listeners: their order, their options, and the setters. */
function addListeners(Socket, at, add) {
  const ok = ["completed"];
  const types = ["open", "message", "error", "close"];
  const ask = async (socket) => {
    if ((await opened(socket)) === "open") socket.send(ASK);
  };

  add("listeners: order of setters and listeners", ok, async () => {
    const socket = new Socket(at("finished"));
    const seen = [];
    for (const type of types) {
      socket.addEventListener(type, () => seen.push(`first ${type}`));
      socket[`on${type}`] = () => seen.push(`setter ${type}`);
      socket.addEventListener(type, () => seen.push(`last ${type}`));
    }
    const { ended } = record(socket);
    await ask(socket);
    await ended();
    return seen;
  });
  add("listeners: setters replaced, removed, and read", ok, async () => {
    const socket = new Socket(at("finished"));
    const seen = [];
    const one = () => seen.push("one");
    seen.push(`${socket.onmessage} ${socket.onopen}`);
    socket.onmessage = one;
    seen.push(socket.onmessage === one);
    socket.onmessage = () => seen.push("two");
    socket.onclose = one;
    socket.onclose = null;
    seen.push(`${socket.onclose}`);
    socket.onopen = "not a function";
    seen.push(`${socket.onopen}`);
    const { ended } = record(socket);
    await ask(socket);
    await ended();
    return seen;
  });
  add("listeners: once", ok, async () => {
    const socket = new Socket(at("finished"));
    const seen = [];
    for (const type of types) socket.addEventListener(type, ({ type: kind }) => seen.push(kind), { once: true });
    const { ended } = record(socket);
    await ask(socket);
    await ended();
    return seen;
  });
  add("listeners: twice the same, removed, and objects", ok, async () => {
    const socket = new Socket(at("finished"));
    const seen = [];
    const twice = () => seen.push("twice");
    const gone = () => seen.push("gone");
    const object = { handleEvent: (event) => seen.push(`object ${event.type} ${event.target === socket}`) };
    socket.addEventListener("message", twice);
    socket.addEventListener("message", twice);
    socket.addEventListener("message", gone);
    socket.removeEventListener("message", gone);
    socket.addEventListener("close", object);
    const { ended } = record(socket);
    await ask(socket);
    await ended();
    return seen;
  });
  add("listeners: added late", ok, async () => {
    const socket = new Socket(at("echo"));
    const { ended } = record(socket);
    const seen = [];
    await opened(socket);
    socket.addEventListener("open", () => seen.push("open, too late"));
    if (socket.readyState === 1) {
      const done = message(socket, "response.done");
      socket.addEventListener("message", ({ data }) => {
        if (seen.length === 0) socket.addEventListener("message", (event) => seen.push(`inner ${event.data.length}`));
        seen.push(`outer ${data.length}`);
      });
      socket.send(ASK);
      await done;
    }
    socket.close();
    await ended();
    socket.addEventListener("close", () => seen.push("close, too late"));
    return seen;
  });
  add("listeners: one that throws", null, async () => {
    const socket = new Socket(at("finished"));
    const { ended } = record(socket);
    let isFirst = true;
    const thrown = new Promise((resolve) => process.once("uncaughtException", (error) => resolve(error.message)));
    const before = process.listeners("uncaughtException");
    for (const one of before.slice(0, -1)) process.removeListener("uncaughtException", one);
    socket.addEventListener("message", () => {
      if (!isFirst) return;
      isFirst = false;
      throw new Error("a listener's own");
    });
    await ask(socket);
    const seen = await Promise.race([ended(), sleep(300, "stays open", { ref: false })]);
    const error = await Promise.race([thrown, sleep(100, "none")]);
    process.removeAllListeners("uncaughtException");
    for (const one of before.slice(0, -1)) process.on("uncaughtException", one);
    return [error, isFirst ? "not reached" : seen];
  });
  add("listeners: what an event is", ok, async () => {
    const socket = new Socket(at("finished"));
    const seen = [];
    for (const type of types)
      socket.addEventListener(type, (event) => {
        const { target, currentTarget, bubbles, cancelable } = event;
        seen.push([
          type,
          target === socket,
          currentTarget === socket,
          bubbles,
          cancelable,
          event.constructor.name,
          Object.keys(event).sort(),
        ]);
      });
    const { ended } = record(socket);
    await ask(socket);
    await ended();
    return seen;
  });
  add("listeners: microtasks and messages in one piece", ok, async () => {
    const socket = new Socket(at("joined"));
    const seen = [];
    socket.addEventListener("message", ({ data }) => {
      seen.push(data.length);
      Promise.resolve().then(() => seen.push("microtask"));
      process.nextTick(() => seen.push("tick"));
    });
    const { ended } = record(socket);
    await ask(socket);
    if (socket.readyState === 1) await message(socket, "response.done");
    socket.close();
    await ended();
    return seen;
  });
  add("states", ok, async () => {
    const socket = new Socket(at("finished"));
    const seen = [socket.readyState];
    for (const type of types) socket.addEventListener(type, () => seen.push(`${type} ${socket.readyState}`));
    const { ended } = record(socket);
    await ask(socket);
    await ended();
    return [...seen, Socket.OPEN, socket.CLOSED, socket.binaryType, socket.bufferedAmount];
  });
}
