export const ASK = '{"type":"response.create"}';

/** The address whose first part says how the vendor answers. */
export const addressOf = (url, name) => `${url}/${name}/v1/realtime?model=gpt-realtime`;

export async function textOf(data) {
  if (typeof data === "string") return data;
  if (data instanceof Blob) return data.text();
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return Buffer.from(data).toString();
}

const kindOf = (data) => `${data.constructor.name}`;
const short = (text) => (text.length > 120 ? `${text.slice(0, 40)}… of ${text.length}` : text);

/** Adds each event as it comes, in the order of the events; a message's text is filled in later. */
export function record(socket, seen = []) {
  const reading = [];
  const closed = new Promise((resolve) => {
    socket.addEventListener("open", () => seen.push(`open ${socket.protocol} ${socket.extensions}`));
    socket.addEventListener("message", ({ data, origin, lastEventId }) => {
      const at = seen.push("message") - 1;
      reading.push(
        textOf(data).then((text) => {
          seen[at] = `message ${kindOf(data)} ${origin} ${lastEventId} ${short(text)}`;
        }),
      );
    });
    socket.addEventListener("error", ({ message, error }) => {
      seen.push(`error ${message} ${error?.code}`);
      // Node 22.15's own never closes after a handshake that failed.
      setTimeout(resolve, 100);
    });
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      seen.push(`close ${code} ${reason} ${wasClean} state ${socket.readyState}`);
      resolve();
    });
  });
  return {
    seen,
    /** Resolves when the socket has closed and all that it brought is read. */
    async ended() {
      await closed;
      await Promise.all(reading);
      return seen;
    },
  };
}

/** Resolves when the socket is open, or has failed. */
export const opened = (socket) =>
  new Promise((resolve) => {
    for (const type of ["open", "error", "close"]) socket.addEventListener(type, () => resolve(type), { once: true });
  });

/** Resolves with the message that contains this, or when the socket closes. */
export const message = (socket, part) =>
  new Promise((resolve) => {
    socket.addEventListener("message", async function look({ data }) {
      const text = await textOf(data);
      if (!text.includes(part)) return;
      socket.removeEventListener("message", look);
      resolve(text);
    });
    socket.addEventListener("close", () => resolve("closed"));
  });

export const attempt = (seen, run) => {
  try {
    seen.push(`gave ${run()}`);
  } catch (error) {
    seen.push(`threw ${error.name} ${error.code} ${error.message}`);
  }
};
