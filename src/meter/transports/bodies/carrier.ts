import type { Refusal } from "../../../limits/refusal.ts";
import type { SaidScope } from "../../wire/scope-headers.ts";
import { askForUsage, withoutSlashes } from "../../wire/target.ts";
import type { ChangeableRequest, ChangedBody } from "./changed-body.ts";

/** What holds a request of Node's own back, and lets it go. */
export interface Carrier {
  /** The request's headers: names and values. */
  headers(): Readonly<Record<string, unknown>>;
  /** One of them, by its name in lower case. */
  header(name: string): unknown;
  /**
   * The request goes out. `added`: bytes of the body that we added to it. `changed`: what is sent in place of all that was
   * written. False where it cannot be, and the request goes out as it was written.
   */
  release(added: number, changed: WrittenChange | undefined): boolean;
  /** The path with its query, and what of the head may still be changed. */
  readonly changing: Pick<ChangeableRequest, "address" | "mayResize" | "mayMove">;
  /** Nothing goes out; the caller is answered with the refusal. */
  refuse(refusal: Refusal): void;
}

/** What is sent instead of what a caller wrote. */
export interface WrittenChange {
  readonly body: Buffer;
  /** With its query. */
  readonly path: string;
}

export interface HeldOptions {
  /** Whether the question for usage may be put. */
  readonly mayAsk: boolean;
  /** The scope that the headers said at the request's creation, where they can change after it is made. */
  readonly said?: SaidScope | undefined;
}

/** What is sent in place of what was written, with the question for usage where it was put; undefined: nothing is. */
export function writtenChange(changes: ChangedBody | undefined, asked: boolean): WrittenChange | undefined {
  const sent = changes?.sent;
  if (sent === undefined) return undefined;
  const asking = asked ? askForUsage(sent.body, sent.facts.hasStreamOptions === true) : undefined;
  return { body: Buffer.from(asking ?? sent.body), path: sent.address };
}

/** The path alone. */
export function pathOf({ path }: WrittenChange): string {
  return withoutSlashes(path.replace(/[?#].*$/s, ""));
}
