import type { ChargeType } from "../../reconcile/bill.ts";

/** What a line item of OpenAI's costs is for, as read from its text. */
export interface LineItem {
  /** Empty where no model is named. */
  readonly model: string;
  readonly type: ChargeType;
  /** Undefined where the text names none: then it may be any but a batch. */
  readonly tier: string | undefined;
}

/** Kinds by the text after the model; the first match decides. The vendor documents no list of these texts. */
const KINDS: readonly (readonly [RegExp, ChargeType])[] = [
  [/web[ _-]?search/, "web_search"],
  [/cache[d]?[ _-]?writ|cache[ _-]?creat/, "cache_write"],
  [/cach/, "cache_read"],
  [/\binput|\bprompt/, "input_uncached"],
  [/\boutput|completion/, "output"],
];
const TIERS = /\b(batch|flex|priority|fast|scale|ultrafast)\b/;
/** Items that begin with a model and are not tokens of a call. */
const OTHER = /session|storage|file[ _-]?search|code[ _-]?interpreter|container|training|image|second|minute|character/;

/** Reads texts such as `gpt-6-astra, input_tokens`. Nothing is dropped: an unrecognised text is kept as it is. */
export function readLineItem(text: string): LineItem {
  const [head = "", ...rest] = text.split(/,\s*|\s+\|\s+/);
  const tail = rest.join(" ").toLowerCase().replaceAll("_", " ");
  const tier = TIERS.exec(tail)?.[1];
  if (/web[ _-]?search/i.test(text)) {
    const model = rest.length > 0 && isModel(head) ? head.trim() : "";
    return { model, type: "web_search", tier: undefined };
  }
  if (rest.length === 0 || OTHER.test(tail)) return { model: isModel(head) ? head.trim() : "", type: "other", tier };
  const type = KINDS.find(([pattern]) => pattern.test(tail))?.[1] ?? "other";
  return { model: head.trim(), type, tier };
}

function isModel(text: string): boolean {
  return /^[a-z0-9][\w.:/-]*\d[\w.:/-]*$/i.test(text.trim());
}
