import type { Faults } from "../core/faults.ts";
import type { Knowledge } from "../meter/estimates/knowledge.ts";

/** The user's own package; its default encoding is that of OpenAI's models since GPT-4o. */
const PACKAGE = "gpt-tokenizer";

/** Text that looks like the model's own marks is text like any other. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

interface Tokenizer {
  countTokens(text: string, options: typeof AS_TEXT): number;
}

/** Loads the tokenizer in the background; estimates do without it until then, and where it is not installed. */
export async function loadTokenizer(
  knowledge: Knowledge,
  faults: Faults,
  say: (message: string) => void,
  load: () => Promise<unknown> = () => import(PACKAGE),
): Promise<void> {
  try {
    const { countTokens } = (await load()) as Tokenizer;
    knowledge.countTokens = (text) => countTokens(text, AS_TEXT);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === "ERR_MODULE_NOT_FOUND") {
      say(`"tokenizer" is on, but ${PACKAGE} is not installed: estimates do without it. Run npm install ${PACKAGE}`);
    } else faults.report("estimate", error);
  }
}
