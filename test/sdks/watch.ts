import type { Watch } from "./shape.ts";

/** Everything that a caller got of one run, comparable with that of another. */
export interface Got {
  readonly items: unknown[];
  text: string;
  result?: unknown;
  error?: unknown;
}

/** Watches what the caller gets until `marker` is in it; then `act` says whether to break off. */
export function watchFor(marker: string | undefined, got: Got, act: () => Promise<boolean>, leaves: boolean): Watch {
  const decoder = new TextDecoder();
  let done = marker === undefined;
  let broke = false;

  async function look(text: string): Promise<boolean> {
    if (done || marker === undefined || !text.includes(marker)) return false;
    done = true;
    broke = await act();
    return broke;
  }

  return {
    leaves,
    get broke() {
      return broke;
    },
    see(item) {
      const shown = JSON.stringify(item);
      got.items.push(JSON.parse(shown));
      return look(shown);
    },
    bytes(chunk) {
      got.text += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
      return look(got.text);
    },
  };
}

/** An error as a caller can tell it from another. */
export function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, status, statusCode, code, type, error: body } = error as Error & Record<string, unknown>;
  const cause = error.cause instanceof Error ? describe(error.cause) : undefined;
  return { class: error.constructor.name, name, message, status, statusCode, code, type, body, cause };
}
