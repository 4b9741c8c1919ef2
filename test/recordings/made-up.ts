import type { Recording } from "./exchange.ts";
import { ANTHROPIC_MESSAGES } from "./made-up/anthropic-messages.ts";
import { GOOGLE_GENERATE } from "./made-up/google-generate.ts";
import { OPENAI_CHAT } from "./made-up/openai-chat.ts";
import { OPENAI_EMBEDDINGS } from "./made-up/openai-embeddings.ts";
import { OPENAI_RESPONSES } from "./made-up/openai-responses.ts";

/**
 * Exchanges in the shapes that the vendors document, with prompts, ids and numbers of our own: whole and streamed, with
 * tools, reasoning and caches, with every ending and with errors. They stand in the project, so that the tests that read
 * recordings run everywhere; real recordings are read beside them where they are there.
 */
export const MADE_UP: readonly Recording[] = [
  ...OPENAI_CHAT,
  ...OPENAI_RESPONSES,
  ...OPENAI_EMBEDDINGS,
  ...ANTHROPIC_MESSAGES,
  ...GOOGLE_GENERATE,
];

/** An exchange by its format and name. @throws when there is none */
export function madeUp(format: string, name: string): Recording {
  const found = MADE_UP.find(({ id }) => id === `made-up/${format}/${name}`);
  if (!found) throw new Error(`no exchange "${name}" of ${format} is made up`);
  return found;
}
