/**
 * One model has many ids: dated snapshots, gateway prefixes, deployment suffixes. Prices are looked up by the id as it
 * is first, then by these plainer spellings; whether two ids mean one model is decided by {@link modelKey}.
 */

/** The makers whose name precedes the model in a Bedrock id, such as `us.anthropic.claude-opus-5-v1:0`. */
const BEDROCK =
  /^(?:[a-z]{2,8}(?:-gov)?\.)?(?:anthropic|amazon|openai|meta|mistral|deepseek|cohere|ai21|google|nvidia|qwen|writer|moonshot|moonshotai|minimax|zai)\./;

/** What a snapshot, an alias or a platform appends to the model's own name. */
const SUFFIXES = [
  /@[a-z0-9-]+$/, // claude-opus-4-5@20251101 (Vertex)
  /\[[a-z0-9]+\]$/, // claude-opus-5[1m] (Claude Code)
  /-v?\d+:\d+$/, // anthropic.claude-opus-4-5-v1:0 (Bedrock)
  /-20\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/, // gpt-5.5-2026-04-23
  /-20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/, // claude-haiku-4-5-20251001
  /-(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/, // grok-4-0709
  /-2[3-9](?:0[1-9]|1[0-2])$/, // mistral-large-2512
  /-latest$/,
  /-preview(?:-\d{2}-\d{2,4})?$/, // gemini-2.5-pro-preview-06-05
  /-001$/, // gemini-2.0-flash-001
] as const;

/** The model's name alone, in lower case, with `-` for the dots of a version: equal keys mean one model. */
export function modelKey(id: string): string {
  let key = baseName(id.toLowerCase().trim());
  const bedrock = key.replace(BEDROCK, "");
  if (bedrock !== key) key = bedrock.replace(/-v\d+$/, "");
  key = key.replace(/^(ft:[^:]+):.*$/, "$1"); // ft:gpt-4o-2024-08-06:org::id
  for (let before = ""; before !== key; ) {
    before = key;
    for (const suffix of SUFFIXES) key = key.replace(suffix, "");
  }
  key = key.replace(/(\d)\.(?=\d)/g, "$1-");
  return key.replace(/^(claude-.*-\d)-0$/, "$1"); // claude-opus-4-0 is the alias of claude-opus-4-20250514
}

/** Whether the id names one dated snapshot, which may have a price of its own. */
export function isSnapshot(id: string): boolean {
  return /-20\d{2}-?\d{2}-?\d{2}(?!\d)|@20\d{6}$|-\d{4}(?:-preview)?$|-00\d$|-preview-\d{2}-\d{2,4}$/.test(id.trim());
}

/** Whether both ids mean the same model at the same price; on Bedrock a `global.` id costs less than the others. */
export function sameModel(a: string, b: string): boolean {
  return modelKey(a) === modelKey(b) && isGlobal(a) === isGlobal(b);
}

/** The id itself, then plainer spellings of it in which a price list may have it, most faithful first. */
export function modelSpellings(id: string): readonly string[] {
  const trimmed = id.trim();
  const bare = baseName(trimmed);
  const plain = bare.replace(/\[[a-zA-Z0-9]+\]$/, "");
  return [...new Set([trimmed, bare, plain, plain.replace(/@[a-zA-Z0-9-]+$/, "")])];
}

/** What follows the last slash: `models/…`, `publishers/…/models/…`, `anthropic/…`, an inference profile's ARN. */
function baseName(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1) || id;
}

function isGlobal(id: string): boolean {
  return baseName(id).toLowerCase().startsWith("global.");
}
