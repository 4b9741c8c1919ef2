import { describe, expect, test } from "vitest";
import {
  type AttachmentTokens,
  anthropicAttachment,
  googleAttachment,
  openaiAttachment,
} from "../../../../src/meter/wire/content/attachment-tokens.ts";
import { type Attachment, attachmentOf } from "../../../../src/meter/wire/content/attachments.ts";
import { measureAll } from "../../../../src/meter/wire/text.ts";

function png(width: number, height: number): Buffer {
  const file = Buffer.alloc(64);
  file.write("\x89PNG\r\n\x1a\n", "latin1");
  file.writeUInt32BE(width, 16);
  file.writeUInt32BE(height, 20);
  return file;
}

/** With a preview before the frame that holds the size. */
function jpeg(width: number, height: number): Buffer {
  const file = Buffer.alloc(600);
  file.writeUInt32BE(0xffd8ffe1, 0);
  file.writeUInt16BE(500, 4);
  file.writeUInt16BE(0xffc0, 504);
  file.writeUInt16BE(17, 506);
  file.writeUInt16BE(height, 509);
  file.writeUInt16BE(width, 511);
  return file;
}

function gif(width: number, height: number): Buffer {
  const file = Buffer.alloc(64);
  file.write("GIF89a", "latin1");
  file.writeUInt16LE(width, 6);
  file.writeUInt16LE(height, 8);
  return file;
}

function webp(width: number, height: number): Buffer {
  const file = Buffer.alloc(64);
  file.write("RIFF0000WEBPVP8X", "latin1");
  file.writeUIntLE(width - 1, 24, 3);
  file.writeUIntLE(height - 1, 27, 3);
  return file;
}

const PARTS: Readonly<Record<string, (data: string) => object>> = {
  "chat, as a data URL": (data) => ({ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }),
  responses: (data) => ({ type: "input_image", image_url: `data:image/png;base64,${data}` }),
  messages: (data) => ({ type: "image", source: { type: "base64", media_type: "image/png", data } }),
  gemini: (data) => ({ inlineData: { mimeType: "image/png", data } }),
};

describe("the size of an image", () => {
  test.each(Object.entries(PARTS))("in %s", (_name, part) => {
    for (const file of [png, jpeg, gif, webp]) {
      const found = attachmentOf(part(file(640, 480).toString("base64")) as never);
      expect(found).toMatchObject({ kind: "image", width: 640, height: 480 });
    }
    expect(attachmentOf(part("bm90IGFuIGltYWdl") as never)).toMatchObject({ kind: "image", width: 0 });
  });
});

const image = (width: number, height: number, detail?: string): Attachment => {
  return { kind: "image", width, height, pages: 0, bytes: 9, detail };
};

// The examples of the vendors' documentation.
test.each<[string, AttachmentTokens, string, Attachment, number]>([
  ["tiles of a square", openaiAttachment, "gpt-4o", image(1_024, 1_024), 765],
  ["tiles of a tall image", openaiAttachment, "gpt-4o", image(2_048, 4_096), 1_105],
  ["low detail", openaiAttachment, "gpt-4o", image(4_096, 8_192, "low"), 85],
  ["patches", openaiAttachment, "gpt-4.1-mini", image(1_024, 1_024), 1_024 * 1.62],
  ["patches of a large image", openaiAttachment, "o4-mini", image(1_800, 2_400), 1_452 * 1.72],
  ["pixels", anthropicAttachment, "claude-sonnet-4-5", image(1_000, 1_000), 1_000_000 / 750],
  ["pixels of a large image", anthropicAttachment, "claude-sonnet-4-5", image(4_000, 4_000), 1_600],
  ["an image", googleAttachment, "gemini-2.5-flash", image(300, 300), 258],
  ["three pages", googleAttachment, "gemini-2.5-flash", { ...image(0, 0), kind: "document", pages: 3 }, 774],
])("%s: %#", (_name, tokens, model, attachment, expected) => {
  expect(tokens(model, attachment)).toBeCloseTo(expected, 5);
});

test("pages of a PDF are counted", () => {
  const pdf = "%PDF-1.4\n1 0 obj <</Type /Pages /Kids [2 0 R 3 0 R]>> 2 0 obj <</Type /Page>> 3 0 obj <</Type/Page>>";
  const source = { type: "base64", media_type: "application/pdf", data: Buffer.from(pdf).toString("base64") };
  expect(attachmentOf({ type: "document", source })).toMatchObject({ kind: "document", pages: 2 });
});

describe("base64 is not text", () => {
  const data = Buffer.alloc(3_000, 7).toString("base64");

  test.each<[string, object]>([
    ["a document by its address", { type: "document_url", document_url: `data:application/pdf;base64,${data}` }],
    ["a member that nobody knows", { blob: data }],
    ["a data URL in a member that nobody knows", { preview: `data:image/png;base64,${data}` }],
  ])("%s", (_name, part) => {
    expect(measureAll([{ role: "user", content: [part] }]).bytes).toBeLessThan(100);
  });

  test("what stands where text is expected is text", () => {
    expect(measureAll([{ role: "user", content: data }]).content).toBeGreaterThanOrEqual(data.length);
  });

  test("a document of plain text is text", () => {
    const source = { type: "text", media_type: "text/plain", data: "A plain text. ".repeat(100) };
    expect(measureAll([{ type: "document", source }])).toMatchObject({ attachments: undefined });
    expect(measureAll([{ type: "document", source }]).content).toBeGreaterThanOrEqual(1_400);
  });
});
