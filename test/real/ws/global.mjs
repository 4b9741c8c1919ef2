import { ASK, addressOf, attempt, message, opened, record } from "./sockets.mjs";

/** What only Node's own class has, or how it looks. */
export function globalBehaviours(Socket, url) {
  const list = [];
  const add = (name, calls, run) => list.push({ name, calls, run });
  const at = (name) => addressOf(url, name);
  const shape = (target) =>
    Reflect.ownKeys(target).map((key) => {
      const { value, get, set, ...rest } = Object.getOwnPropertyDescriptor(target, key);
      return [String(key), rest, value?.name, value?.length, get?.name, set?.name];
    });

  add("headers", ["completed"], async () => {
    const socket = new Socket(at("finished"), { headers: { "x-mine": "1", authorization: "Bearer sk-test" } });
    const { ended } = record(socket);
    if ((await opened(socket)) === "open") socket.send(ASK);
    return ended();
  });
  add("protocols and headers", [], async () => {
    const socket = new Socket(at("echo"), { protocols: ["a"], headers: [["x-mine", "2"]] });
    const { ended } = record(socket);
    await opened(socket);
    socket.close();
    return ended();
  });
  add("address of http", [], async () => {
    const socket = new Socket(at("echo").replace("ws:", "http:"));
    const { seen, ended } = record(socket);
    seen.push(socket.url.replace(url, ""));
    await opened(socket);
    socket.close();
    return ended();
  });
  add("binaryType", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    for (const type of ["arraybuffer", "blob", "nodebuffer", 7])
      attempt(seen, () => {
        socket.binaryType = type;
        return socket.binaryType;
      });
    await opened(socket);
    socket.close();
    return ended();
  });
  add("an event that the app dispatches itself", [], async () => {
    const socket = new Socket(at("echo"));
    const { seen, ended } = record(socket);
    await opened(socket);
    seen.push(socket.dispatchEvent(new MessageEvent("message", { data: "mine", origin: "here" })));
    socket.addEventListener("custom", (event) => event.preventDefault());
    seen.push(socket.dispatchEvent(new Event("custom", { cancelable: true })));
    attempt(seen, () => socket.dispatchEvent({ type: "message" }));
    socket.close();
    return ended();
  });
  add("signal of a listener", ["completed"], async () => {
    const socket = new Socket(at("echo"));
    const { ended } = record(socket);
    const control = new AbortController();
    const seen = [];
    socket.addEventListener(
      "message",
      ({ data }) => {
        seen.push(data.length);
        control.abort();
      },
      { signal: control.signal },
    );
    if ((await opened(socket)) === "open") {
      socket.send(ASK);
      await message(socket, "response.done");
    }
    socket.close();
    await ended();
    return seen;
  });
  add("a subclass", ["completed"], async () => {
    const seen = [];
    class Mine extends Socket {
      send(data) {
        seen.push(`sends ${data}`);
        super.send(data);
      }
      close(...args) {
        seen.push("closes");
        super.close(...args);
      }
    }
    const socket = new Mine(at("echo"));
    const { ended } = record(socket, seen);
    if ((await opened(socket)) === "open") {
      socket.send(ASK);
      await message(socket, "response.done");
    }
    socket.close();
    return ended();
  });
  add("methods of another object", [], async () => {
    const seen = [];
    for (const name of ["send", "close", "dispatchEvent", "addEventListener"])
      attempt(seen, () => Socket.prototype[name].call({}, "message", () => {}));
    for (const name of ["readyState", "url", "onopen"]) attempt(seen, () => Socket.prototype[name]);
    return seen;
  });
  add("what it looks like", [], async () => {
    const socket = new Socket(at("echo"));
    const { ended } = record(socket);
    await opened(socket);
    const looks = [
      shape(Socket),
      shape(Socket.prototype),
      Reflect.ownKeys(socket).filter((key) => typeof key === "string"),
      Object.prototype.toString.call(socket),
      socket instanceof EventTarget,
      String(Socket.prototype.send).length > 0,
      globalThis.WebSocket === Socket,
    ];
    socket.close();
    await ended();
    return looks;
  });
  return list;
}
