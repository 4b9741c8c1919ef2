/** The characters that a tag may have, its key and the colon included. */
export const TAG_LENGTH = 200;

/**
 * Text of a tag as Datadog writes it: lower case; letters and digits of any script and `- : . /`, everything else as
 * `_`, one for each run; no `_` or `:` at the end; at most `max` characters. Equal for what was written so already.
 */
export function tagText(text: string, max: number): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\-:./]+/gu, "_")
    .slice(0, max)
    .replace(CUT_OR_TRAILING, "");
}

/** The first half of a surrogate pair that was cut, and what a tag may not end with. */
const CUT_OR_TRAILING = /[_:\ud800-\udbff]*$/;
