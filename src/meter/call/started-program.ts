import type { Usage } from "../../core/usage.ts";

/** Where a program that cannot be hooked sends its calls, so that they are metered in the scope of who started it. */
export interface ProgramAddresses {
  /** Of the proxy alone, without the scope. */
  readonly proxy: string;
  readonly openai: string;
  readonly anthropic: string;
  readonly gemini: string;
}

/** What is known of an agent program when it is started. */
export interface ProgramStart {
  /** Such as `claude`. */
  readonly name: string;
  /** It was told what to do, so that it surely calls a model unless it fails. */
  readonly asks: boolean;
  /** It goes on with an earlier session, whose use is in its first report. */
  readonly resumes: boolean;
  /** The host that its calls go to where they go past us. */
  readonly host: string;
  /** The model that it was told to use. */
  readonly model?: string | undefined;
}

/** Why the calls of a program do not reach our proxy. */
export interface Past {
  readonly host: string;
  readonly reason: string;
  readonly fix: string;
}

/** What a program says that it has used since it began. */
export interface ProgramReport {
  readonly provider: string;
  /** The wire format of its calls. */
  readonly format: string;
  /** USD; undefined where it tells tokens alone. */
  readonly usd: number | undefined;
  readonly models: readonly ModelReport[];
}

export interface ModelReport {
  /** Undefined where it does not say. */
  readonly model: string | undefined;
  readonly usage: Usage;
  readonly usd: number | undefined;
}

/** An agent program from its start to its end, as its transport tells of it. */
export interface StartedProgram {
  /** Where its calls are metered; undefined where there is no proxy. */
  readonly addresses: ProgramAddresses | undefined;
  /** What is left of its budgets, in USD, where it is to be told; undefined where it is not. */
  readonly leftUsd: number | undefined;
  /** Its calls will not reach the proxy. */
  past(why: Past): void;
  report(report: ProgramReport): void;
  /** @param code Its exit code; null where a signal ended it, or it did not start. */
  ended(code: number | null): void;
}
