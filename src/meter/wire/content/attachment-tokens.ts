import type { Attachment } from "./attachments.ts";

/** What an attachment costs in tokens of a model's input, by its vendor's documentation where that gives a rule. */
export type AttachmentTokens = (model: string, attachment: Attachment) => number;

/** An image whose size is not known is taken to be a square of as many pixels a side. */
const TYPICAL_SIDE = 512;

/** OpenAI: images by tiles of 512 pixels or by patches of 32, as their guide to images and vision lists the models. */
export const openaiAttachment: AttachmentTokens = (model, attachment) => {
  if (attachment.kind !== "image") return fileTokens(attachment, OPENAI_PAGE);
  const { width = TYPICAL_SIDE, height = TYPICAL_SIDE } = sizeOf(attachment);
  const patch = PATCH_MODELS.find(([name]) => name.test(model));
  if (patch !== undefined) return patchesOf(width, height) * patch[1];
  const [base, tile] = (TILE_MODELS.find(([name]) => name.test(model)) ?? DEFAULT_TILES)[1];
  return attachment.detail === "low" ? base : base + tile * tilesOf(width, height);
};

/** Models that count patches, with their factor. */
const PATCH_MODELS: readonly (readonly [RegExp, number])[] = [
  [/gpt-5\.[2-9]/, 1],
  [/(?:gpt-5|gpt-4\.1)-mini/, 1.62],
  [/(?:gpt-5|gpt-4\.1)-nano/, 2.46],
  [/o4-mini/, 1.72],
];
/** Models that count tiles: tokens of an image, and of each of its tiles. */
const TILE_MODELS: readonly (readonly [RegExp, readonly [base: number, tile: number]])[] = [
  [/4o-mini/, [2_833, 5_667]],
  [/gpt-5/, [70, 140]],
  [/\bo[13]\b/, [75, 150]],
];
const DEFAULT_TILES = [/^/, [85, 170]] as const;
const MAX_PATCHES = 1_536;

function tilesOf(width: number, height: number): number {
  const fit = Math.min(1, 2_048 / Math.max(width, height));
  const scale = fit * Math.min(1, 768 / (fit * Math.min(width, height)));
  return Math.ceil((width * scale) / 512) * Math.ceil((height * scale) / 512);
}

function patchesOf(width: number, height: number): number {
  const all = Math.ceil(width / 32) * Math.ceil(height / 32);
  if (all <= MAX_PATCHES) return all;
  const shrink = Math.sqrt((1_024 * MAX_PATCHES) / (width * height));
  const [columns, rows] = [(width * shrink) / 32, (height * shrink) / 32];
  const scale = Math.min(Math.floor(columns) / columns, Math.floor(rows) / rows);
  return Math.min(MAX_PATCHES, Math.ceil(columns * scale) * Math.ceil(rows * scale));
}

/** Anthropic: a token for 750 pixels, after scaling down to the largest image that the model takes. */
export const anthropicAttachment: AttachmentTokens = (model, attachment) => {
  if (attachment.kind !== "image") return fileTokens(attachment, ANTHROPIC_PAGE);
  const { width = TYPICAL_SIDE, height = TYPICAL_SIDE } = sizeOf(attachment);
  const [side, most] = LARGE_IMAGES.test(model) ? [2_576, 4_784] : [1_568, 1_600];
  const scale = Math.min(1, side / Math.max(width, height));
  return Math.min(most, (width * height * scale * scale) / 750);
};

const LARGE_IMAGES = /opus-(?:4-[78]|5)|sonnet-5|haiku-5/;

/** Google: 258 tokens an image, a tile of a large image, or a page. Gemini 3 has other figures for each. */
export const googleAttachment: AttachmentTokens = (model, attachment) => {
  const [image, page] = /gemini-3/.test(model) ? [1_120, 560] : [258, 258];
  return attachment.kind === "image" ? image : fileTokens(attachment, page);
};

function fileTokens({ kind, pages, bytes }: Attachment, page: number): number {
  if (kind === "document") return Math.max(1, pages) * page;
  if (kind === "text") return bytes > 0 ? bytes / TEXT_BYTES : page;
  return bytes > 0 ? bytes / MEDIA_BYTES : MEDIA_TOKENS;
}

/** A page is its text and its picture. */
const OPENAI_PAGE = 300;
const ANTHROPIC_PAGE = 2_000;
/** Bytes per token of a text file, and of sound: 32 tokens a second at 128 kbit/s. */
const TEXT_BYTES = 4.2;
const MEDIA_BYTES = 500;
/** Sound and films whose length is not known. */
const MEDIA_TOKENS = 150;

function sizeOf({ width, height }: Attachment): { readonly width?: number; readonly height?: number } {
  return width > 0 && height > 0 ? { width, height } : {};
}
