import { object, parse } from "../../../core/json.ts";
import type { Passage } from "../../../limits/gate.ts";
import { admit } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import type { RequestFacts } from "../../wire/formats/format.ts";
import { beginCall, forget, HEAD, refuse, type Session } from "./session.ts";

/**
 * A message is about to be sent. `pass` sends it; it is called at once unless the message has to wait for a check, and never
 * where the message is refused. `refused` is called instead then.
 */
export function sendMessage(session: Session, text: string | undefined, pass: () => void, refused: () => void): void {
  if (session.checking) {
    session.waiting.push(() => sendMessage(session, text, pass, refused));
    return;
  }
  const { meter } = session;
  let call: OpenCall | undefined;
  let passage: Passage | undefined | Promise<Passage | undefined>;
  try {
    const asked = text === undefined || !session.isOn() ? undefined : readSent(session, text);
    if (asked !== undefined) {
      call = beginCall(session, asked.facts);
      if (call === undefined) {
        const refusal = meter.unchecked(session.target);
        if (refusal !== undefined) {
          refused();
          refuse(session, refusal);
          return;
        }
      } else {
        session.asked.push({ call, id: asked.id });
        passage = admit(call, text, meter.faults);
      }
    }
  } catch (error) {
    meter.faults.report("request", error);
  }
  if (call === undefined) {
    pass();
    return;
  }
  if (!(passage instanceof Promise)) {
    leave(session, call, passage, pass, refused);
    return;
  }
  const asking = call;
  session.checking = true;
  passage.then((late) => {
    session.checking = false;
    leave(session, asking, late, pass, refused);
    while (!session.checking && session.waiting.length > 0) session.waiting.shift()?.();
  });
}

function leave(
  session: Session,
  call: OpenCall,
  passage: Passage | undefined,
  pass: () => void,
  refused: () => void,
): void {
  if (passage?.pass === false) {
    forget(session, call);
    call.settle({ type: "block" });
    refused();
    refuse(session, passage.refusal());
    return;
  }
  call.ticket = passage?.ticket;
  try {
    pass();
  } catch (error) {
    forget(session, call);
    call.settle({ type: "error" });
    throw error;
  }
}

function readSent(session: Session, text: string): { readonly facts: RequestFacts; readonly id: unknown } | undefined {
  const { wire, state } = session;
  if (wire.isQuiet?.(text.slice(0, HEAD), text.length, state)) return undefined;
  const message = object(parse(text));
  const facts = message && wire.sent(message, state);
  return facts && { facts, id: message.event_id };
}
