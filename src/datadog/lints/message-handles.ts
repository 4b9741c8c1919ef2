import type { Fault, Lint } from "./lint.ts";

const BLOCK = /\{\{([#^/])(\w+)([^}]*)\}\}/g;
const HANDLE = /(^|[\s}])(@[A-Za-z][\w.\-@/]*)(.?)/gs;
/** The conditions around a webhook: the breaker only acts on these. */
const FOR_WEBHOOKS = new Set(["is_alert", "is_renotify", "is_recovery", "is_alert_recovery"]);

interface Block {
  readonly name: string;
  readonly at: number;
}

/** The handles of a message, and their conditions. */
export const messageHandles: Lint = {
  name: "message-handles",
  rule: "handles are inside conditions and followed by a space",
  kinds: ["monitor"],
  *check({ json }) {
    const message = String(json.message ?? "");
    const path = "message";
    const open: Block[] = [];
    let at = 0;
    for (const found of message.matchAll(BLOCK)) {
      const [whole, sign, name = ""] = found;
      yield* checkHandles(message.slice(at, found.index), message[at - 1] ?? "", open);
      at = found.index + whole.length;
      if (sign !== "/") open.push({ name: sign === "^" ? "" : name, at: found.index });
      else if (open.pop() === undefined) yield { path, message: `{{/${name}}} ends a block that never began` };
    }
    yield* checkHandles(message.slice(at), message[at - 1] ?? "", open);
    for (const { name } of open) yield { path, message: `the block {{#${name}}} is never ended` };
    yield* checkPairs(message);
    const rest = message.replace(/\{\{\{?[^{}]*\}?\}\}/g, "");
    if (/\{\{|\}\}/.test(rest)) yield { path, message: "braces do not pair" };
  },
};

function* checkHandles(text: string, before: string, open: readonly Block[]): Iterable<Fault> {
  const path = "message";
  for (const [, , handle = "", next = ""] of (before + text).matchAll(HANDLE)) {
    if (!open.some(({ name }) => name.startsWith("is_")))
      yield {
        path,
        message: `${handle} is notified of every transition: put it inside a block such as {{#is_alert}}`,
        style: true,
      };
    else if (handle.startsWith("@webhook-") && !open.some(({ name }) => FOR_WEBHOOKS.has(name)))
      yield {
        path,
        message: `${handle} belongs in {{#is_alert}} or {{#is_renotify}}, not in ${open.at(-1)?.name}`,
        style: true,
      };
    if (next !== " ") yield { path, message: `${handle} needs a space after it`, style: true };
  }
}

/** Blocks end in the order in which they began. */
function* checkPairs(message: string): Iterable<Fault> {
  const open: string[] = [];
  for (const [, sign, name = ""] of message.matchAll(BLOCK)) {
    if (sign !== "/") open.push(name);
    else {
      const last = open.pop();
      if (last !== undefined && last !== name)
        yield { path: "message", message: `{{/${name}}} found where {{/${last}}} was expected` };
    }
  }
}
