import { textOf } from "./handshake.ts";
import { receiveMessage } from "./receiving.ts";
import type { Session } from "./session.ts";

/** What comes on one connection, in its order: what came as a Blob is read later, and what came after it has to wait. */
export interface Messages {
  reading: Promise<void> | undefined;
}

/** A message has arrived, as the library gives it. */
export function observeMessage(messages: Messages, session: Session, data: unknown): void {
  if (data instanceof Blob) {
    const text = data.text();
    const before = messages.reading ?? Promise.resolve();
    messages.reading = before.then(async () => receiveMessage(session, await text));
    return;
  }
  const text = textOf(data);
  if (text !== undefined) later(messages, () => receiveMessage(session, text));
}

/** Runs at once, or after what came before. */
export function later(messages: Messages, run: () => void): void {
  if (messages.reading === undefined) run();
  else messages.reading = messages.reading.then(run);
}
