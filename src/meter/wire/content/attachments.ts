import { type Json, object, text } from "../../../core/json.ts";

/** An image, a document or a recording in a request, as far as its size shows. */
export interface Attachment {
  readonly kind: "image" | "document" | "media" | "text";
  /** Pixels; 0 when they are not known, as of an image behind an address. */
  readonly width: number;
  readonly height: number;
  /** Of a document; 0 when they are not known. */
  readonly pages: number;
  /** Of the file; 0 when they are not known. */
  readonly bytes: number;
  /** What the request asks for: `low`, `high` … */
  readonly detail: string | undefined;
}

/** Kinds by the `type` of a part. */
const TYPES: ReadonlyMap<unknown, Attachment["kind"]> = new Map(
  Object.entries({
    image: "image",
    image_url: "image",
    input_image: "image",
    document: "document",
    document_url: "document",
    file: "document",
    input_file: "document",
    container_upload: "document",
    input_audio: "media",
    audio: "media",
    video_url: "media",
  } as const),
);

/** The attachment that this part of a message is; undefined for all else. */
export function attachmentOf(part: Json): Attachment | undefined {
  const { type } = part;
  if (typeof type === "string") {
    const kind = TYPES.get(type);
    // Anthropic's documents of plain text are measured as text.
    if (kind === undefined || object(part.source)?.type === "text") return undefined;
    return describe(kind, dataOf(part), detailOf(part));
  }
  const inline = object(part.inlineData) ?? object(part.inline_data) ?? object(part.fileData) ?? object(part.file_data);
  if (inline === undefined) return undefined;
  return describe(kindOf(text(inline.mimeType) ?? text(inline.mime_type)), text(inline.data), undefined);
}

function kindOf(mediaType = ""): Attachment["kind"] {
  if (mediaType.startsWith("image/")) return "image";
  if (mediaType.startsWith("text/")) return "text";
  return /^(?:audio|video)\//.test(mediaType) ? "media" : "document";
}

function detailOf(part: Json): string | undefined {
  return text(part.detail) ?? text(object(part.image_url)?.detail);
}

/** The base64 in it, with or without the head of a data URL; undefined for an address or an id. */
function dataOf(part: Json): string | undefined {
  const own = object(part.source) ?? object(part.image_url) ?? object(part.file) ?? object(part.input_audio) ?? part;
  const found = own.data ?? own.file_data ?? own.url ?? own.image_url ?? own.document_url;
  const value = text(found);
  if (value === undefined) return undefined;
  if (isDataUrl(value)) return value.slice(value.indexOf(",") + 1);
  return own.url === value || own.image_url === value || own.document_url === value ? undefined : value;
}

const DATA_URL = /^data:[^,]{0,100};base64,/;

export function isDataUrl(value: string): boolean {
  return DATA_URL.test(value);
}

/** Base64 characters that are decoded to find the size: a JPEG may have a long preview before it. */
const HEAD = 128 * 1024;
/** Base64 characters of a document in which pages are counted. */
const MAX_DOCUMENT = 4 * 1024 * 1024;

function describe(kind: Attachment["kind"], data: string | undefined, detail: string | undefined): Attachment {
  const bytes = data === undefined ? 0 : Math.floor((data.length * 3) / 4);
  if (data === undefined || kind === "media" || kind === "text") {
    return { kind, width: 0, height: 0, pages: 0, bytes, detail };
  }
  if (kind === "document") return { kind, width: 0, height: 0, pages: pagesOf(data), bytes, detail };
  const [width, height] = sizeOf(Buffer.from(data.slice(0, HEAD), "base64"));
  return { kind, width, height, pages: 0, bytes, detail };
}

const UNKNOWN_SIZE = [0, 0] as const;

/** Width and height out of the header of a PNG, JPEG, GIF or WebP file; zeros for others. */
function sizeOf(file: Buffer): readonly [width: number, height: number] {
  if (file.length < 30) return UNKNOWN_SIZE;
  const magic = file.toString("latin1", 0, 4);
  if (magic === "\x89PNG") return [file.readUInt32BE(16), file.readUInt32BE(20)];
  if (magic.startsWith("GIF")) return [file.readUInt16LE(6), file.readUInt16LE(8)];
  if (magic === "RIFF") return webpSize(file);
  return magic.startsWith("\xff\xd8") ? jpegSize(file) : UNKNOWN_SIZE;
}

function webpSize(file: Buffer): readonly [width: number, height: number] {
  switch (file.toString("latin1", 12, 16)) {
    case "VP8 ":
      return [file.readUInt16LE(26) & 0x3fff, file.readUInt16LE(28) & 0x3fff];
    case "VP8L": {
      const bits = file.readUInt32LE(21);
      return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
    }
    case "VP8X":
      return [file.readUIntLE(24, 3) + 1, file.readUIntLE(27, 3) + 1];
    default:
      return UNKNOWN_SIZE;
  }
}

/** Markers of a JPEG that hold no size though they are in the range of those that do. */
const NO_FRAME = new Set([0xc4, 0xc8, 0xcc]);

function jpegSize(file: Buffer): readonly [width: number, height: number] {
  let at = 2;
  while (at + 9 < file.length) {
    const marker = file[at + 1] as number;
    if (file[at] !== 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAME.has(marker)) {
      return [file.readUInt16BE(at + 7), file.readUInt16BE(at + 5)];
    } else if (marker === 0xff) at += 1;
    else at += 2 + file.readUInt16BE(at + 2);
  }
  return UNKNOWN_SIZE;
}

/** Page objects of a PDF that is not compressed as a whole; 0 when none is found. */
function pagesOf(data: string): number {
  const file = Buffer.from(data.slice(0, MAX_DOCUMENT), "base64").toString("latin1");
  return file.startsWith("%PDF") ? (file.match(/\/Type\s*\/Page(?![a-z])/g)?.length ?? 0) : 0;
}
