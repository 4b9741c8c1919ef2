import type { RequestFacts } from "../../wire/formats/format.ts";
import { askForUsage, factsOf, type Target, USAGE_QUESTION } from "../../wire/target.ts";
import { codingOf, decoded } from "./coding.ts";
import { createPassingBody, type PassingBody } from "./passing-body.ts";

type Piece = string | Uint8Array;

/** A request's body that its caller writes, in one piece or in several. */
export interface WrittenBody {
  /** Bytes that were taken so far, or characters of text. */
  readonly size: number;
  /** Bytes that the question for usage added. */
  readonly added: number;
  /** Whether the question may still be put. */
  mayAsk: boolean;
  /** Takes a piece, and returns what is sent of it now. */
  add(piece: Piece, encoding: unknown): Piece;
  /** Takes the last piece, if there is one; {@link last} then gives what is sent. */
  end(piece: Piece | undefined, encoding: unknown): void;
  /** What is sent last, with the question for usage where it may be put; undefined for nothing. */
  last(): Piece | undefined;
  /** @throws what the format throws */
  facts(): RequestFacts | undefined;
  /** The body as text, where it is known. */
  text(): string | undefined;
}

/** `codingName`: the `content-encoding` of the body, asked for at its first piece. */
export function createWrittenBody(target: Target, mayAsk: boolean, codingName: () => string | undefined): WrittenBody {
  let passing: PassingBody | undefined;
  /** A coded body is read at its end. */
  let coded: Uint8Array[] | undefined;
  let name = "";
  /** A body that came in one piece. */
  let whole: string | undefined;
  let known: { readonly facts: RequestFacts | undefined } | undefined;
  let lastPiece: Piece | undefined;

  function open(): void {
    name = codingName() ?? "";
    if (name !== "" && name !== "identity") coded = [];
    if (coded !== undefined) body.mayAsk = false;
  }

  const body: { -readonly [K in keyof WrittenBody]: WrittenBody[K] } = {
    size: 0,
    added: 0,
    mayAsk,
    add(piece, encoding) {
      if (body.size === 0 && passing === undefined) open();
      body.size += piece.length;
      const bytes = bytesOf(piece, encoding);
      if (coded !== undefined) {
        // A copy: the memory is the caller's.
        coded.push(new Uint8Array(bytes));
        return piece;
      }
      passing ??= createPassingBody(target, body.mayAsk);
      const passed = passing.pass(bytes);
      return passed === bytes ? piece : passed;
    },
    end(piece, encoding) {
      if (piece === undefined) return;
      if (passing === undefined && coded === undefined) open();
      if (passing !== undefined || coded !== undefined) lastPiece = body.add(piece, encoding);
      else {
        body.size += piece.length;
        whole = textOf(piece, encoding);
        lastPiece = piece;
      }
    },
    last() {
      if (whole !== undefined) {
        const asking = body.mayAsk ? ask(whole, body.facts()) : undefined;
        if (asking === undefined) return lastPiece;
        const bytes = Buffer.from(asking);
        body.added = bytes.length - Buffer.byteLength(whole);
        return bytes;
      }
      if (passing === undefined) return lastPiece;
      passing.mayAsk = body.mayAsk;
      const rest = passing.end();
      if (passing.asked) body.added = USAGE_QUESTION.length;
      if (rest.length === 0) return lastPiece;
      return lastPiece === undefined ? rest : Buffer.concat([bytesOf(lastPiece, undefined), rest]);
    },
    facts() {
      if (coded !== undefined) return factsOfCoded(target, name, coded);
      if (whole === undefined) return passing?.facts();
      known ??= { facts: factsOf(target, whole) };
      return known.facts;
    },
    text: () => whole ?? passing?.text(),
  };
  return body;
}

function ask(text: string, facts: RequestFacts | undefined): string | undefined {
  return facts?.lacksUsage === true ? askForUsage(text, facts.hasStreamOptions === true) : undefined;
}

function factsOfCoded(target: Target, name: string, chunks: readonly Uint8Array[]): RequestFacts | undefined {
  const coding = codingOf(name);
  const bytes = coding && decoded(coding, Buffer.concat(chunks));
  return bytes && factsOf(target, new TextDecoder().decode(bytes));
}

function bytesOf(piece: Piece, encoding: unknown): Uint8Array {
  if (typeof piece !== "string") return piece;
  return Buffer.from(piece, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
}

function textOf(piece: Piece, encoding: unknown): string {
  if (typeof piece !== "string") return new TextDecoder().decode(piece);
  const isText = typeof encoding !== "string" || /^utf-?8$/i.test(encoding);
  return isText ? piece : Buffer.from(piece, encoding as BufferEncoding).toString();
}
